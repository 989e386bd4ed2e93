//! Text made inert for the place where it comes out. Names in a bill are free text that anybody with an account may
//! choose, and each output has its own characters that are more than text: here is one function for each of them. It
//! never does I/O. JSON needs none: its writer escapes, and names in it are the real ones.

use std::borrow::Cow;

use serde_json::Value;

/// Whether a character is not seen itself but moves, hides or turns what stands around it: controls, separators of lines,
/// marks without width, and what turns the direction of writing (<https://www.unicode.org/reports/tr9/>).
fn is_live(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A name or a sentence on one line of a terminal, a log or a header: a space for each character that is live.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(is_live) { text.replace(is_live, " ").into() } else { text.into() }
}

/// The same of a text whose line breaks are meant.
pub(crate) fn lines(text: &str) -> String {
    text.replace(|character| character != '\n' && is_live(character), " ")
}

/// Every string of a JSON value as [`lines`], its keys on one line: for services that refuse a NUL.
pub(crate) fn json(value: &mut Value) {
    match value {
        Value::String(text) => *text = lines(text),
        Value::Array(values) => values.iter_mut().for_each(json),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.contains(is_live)) {
                *fields =
                    std::mem::take(fields).into_iter().map(|(key, value)| (one_line(&key).into(), value)).collect();
            }
            fields.values_mut().for_each(json);
        }
        _ => {}
    }
}

/// A word of a POSIX shell, on one line, quoted where it needs be:
/// <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02>.
pub(crate) fn shell(word: &str) -> String {
    let word = one_line(word);
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    // zsh looks up what follows a leading equals sign.
    match !word.is_empty() && !word.starts_with('=') && word.bytes().all(is_bare) {
        true => word.into_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A cell of CSV. What a spreadsheet would take for a formula gets an apostrophe before it; numbers are none:
/// <https://owasp.org/www-community/attacks/CSV_Injection>.
pub(crate) fn csv(cell: &str) -> String {
    let cell = one_line(cell);
    let is_formula = cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    // A lone dash stands for nothing.
    if is_formula && cell != "-" && cell.parse::<f64>().is_err() { format!("'{cell}") } else { cell.into_owned() }
}

/// Text of HTML, in an element or in a quoted attribute.
pub(crate) fn html(text: &str) -> String {
    let text = lines(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// A sentence of ours in HTML: what is between backticks is code.
pub(crate) fn html_sentence(sentence: &str) -> String {
    let span = |(is_code, text)| if is_code { format!("<code>{}</code>", html(text)) } else { html(text) };
    spans(sentence).map(span).collect()
}

/// A name in markdown, in a cell or a sentence: no link, image, HTML, code, emphasis, and nobody is called by `@name`
/// (<https://github.github.com/gfm/>).
pub(crate) fn markdown(text: &str) -> String {
    let text = one_line(text);
    let mut written = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut rest = text.char_indices().map(|(at, character)| (character, &text[at + character.len_utf8()..]));
    while let Some((character, after)) = rest.next() {
        let next = after.chars().next().unwrap_or(' ');
        match character {
            '<' => written += "&lt;",
            '&' if is_entity(after) => written += "&amp;",
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '#' => written.extend(['\\', character]),
            // Within a word it emphasises nothing.
            '_' if !(is_word(before) && is_word(next)) => written += "\\_",
            // Addresses are links without any markup.
            ':' if after.starts_with("//") && ends_in_scheme(&written) => {
                written += ":\\/\\/";
                rest.nth(1);
            }
            '.' if ends_in(&written, "www") => written += "\\.",
            '@' if !before.is_alphanumeric() && next.is_alphanumeric() => written.push('＠'),
            other => written.push(other),
        }
        before = character;
    }
    written
}

/// Lines of ours in markdown: what is between backticks of one line is code.
pub(crate) fn markdown_lines(text: &str) -> String {
    let span = |(is_code, part): (bool, &str)| if is_code { markdown_code(part) } else { markdown(part) };
    let written: Vec<String> = text.split('\n').map(|line| spans(line).map(span).collect()).collect();
    written.join("\n")
}

/// A cell of a table in markdown: what is between backticks is code, where a bar in it does not end the cell.
pub(crate) fn markdown_cell(text: &str) -> String {
    let span = |(is_code, part): (bool, &str)| match is_code {
        true if !part.contains(['|', '\\']) => markdown_code(part),
        true => format!("\\`{}\\`", markdown(part)),
        false => markdown(part),
    };
    spans(&one_line(text)).map(span).collect()
}

/// Code in a line of markdown, between more backticks than it has itself.
pub(crate) fn markdown_code(text: &str) -> String {
    let text = one_line(text);
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

/// Slack's mrkdwn: neither links nor mentions nor formatting (<https://docs.slack.dev/messaging/formatting-message-text>).
/// Signs that look alike stand for those of formatting; none is a quote, so that a quoted command stays quoted.
pub(crate) fn slack(text: &str) -> String {
    let plain = lines(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    plain.replace('*', "\u{2217}").replace('`', "\u{2cb}").replace('~', "\u{223c}")
}

/// The markdown of adaptive cards (<https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features>).
pub(crate) fn adaptive_card(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 8);
    for character in lines(text).chars() {
        if "\\[]*_`#<>".contains(character) {
            written.push('\\');
        }
        written.push(character);
    }
    // `{{DATE(…)}}` is a function of theirs.
    written.replace("{{", "{ {")
}

/// A sentence cut at its backticks: whether a part is code, and the part. A backtick without a partner is text.
fn spans(sentence: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = Some(sentence);
    let mut is_code = false;
    std::iter::from_fn(move || {
        let text = rest?;
        let part = match (is_code, text.split_once('`')) {
            (true, Some((code, after))) => {
                rest = Some(after);
                (true, code)
            }
            (false, Some((before, after))) if after.contains('`') => {
                rest = Some(after);
                (false, before)
            }
            _ => {
                rest = None;
                (false, text)
            }
        };
        is_code = !is_code;
        Some(part)
    })
    .filter(|(_, part)| !part.is_empty())
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether what follows an ampersand makes a character of it.
fn is_entity(after: &str) -> bool {
    let name = after.trim_start_matches(|character: char| character.is_ascii_alphanumeric() || character == '#');
    name.len() < after.len() && name.starts_with(';')
}

fn ends_in_scheme(written: &str) -> bool {
    ["http", "https", "ftp"].into_iter().any(|scheme| ends_in(written, scheme))
}

fn ends_in(written: &str, end: &str) -> bool {
    let tail = written.len().checked_sub(end.len()).and_then(|start| written.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_becomes_a_space() {
        assert_eq!(one_line("a\u{1b}[2Jb\nc\0d\u{9b}e"), "a [2Jb c d e");
        assert_eq!(one_line("pay\u{202e}lla\u{200b}\u{2028}x\u{feff}"), "pay lla  x ");
        assert_eq!(one_line("部署 – Zürich ½ 🚀"), "部署 – Zürich ½ 🚀");
        assert_eq!(lines("a\r\nb\tc"), "a \nb c");
        let mut value = serde_json::json!({"a\0": ["x\u{1b}", {"b": "y\nz"}], "n": 1});
        json(&mut value);
        assert_eq!(value, serde_json::json!({"a ": ["x ", {"b": "y\nz"}], "n": 1}));
    }

    #[test]
    fn usual_names_are_bare_words_of_a_shell_and_others_are_quoted() {
        for usual in ["nat-0ab", "us-east-1", "/aws/lambda/x", "arn:aws:s3:::b", "a@b.c", "100%", "k=v,w"] {
            assert_eq!(shell(usual), usual);
        }
        assert_eq!(shell("x; touch y"), "'x; touch y'");
        assert_eq!(shell("it's\n$(id)"), r"'it'\''s $(id)'");
        assert_eq!((shell(""), shell("=ls")), ("''".into(), "'=ls'".into()));
    }

    #[test]
    fn a_shell_reads_every_hostile_name_as_one_word() {
        let names: Vec<String> = serde_json::from_str(include_str!("../tests/it/hostile_names.json")).expect("names");
        let words: Vec<String> = names.iter().map(|name| format!("x={}", shell(name))).collect();
        assert!(words.iter().all(|word| !word.contains(is_live)));
        let script = format!("printf '%s\\n' {}", words.join(" "));
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().expect("a shell");
        let expected: String = names.iter().map(|name| format!("x={}\n", one_line(name))).collect();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }

    #[test]
    fn formulas_are_text_and_numbers_stay() {
        for formula in ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1+1"] {
            assert!(csv(formula).starts_with('\''), "{formula}");
        }
        for plain in ["-3.10", "+5", "-1e-7", "-inf", "AmazonEC2", "", "a=b", "12 %", "-"] {
            assert_eq!(csv(plain), plain);
        }
        assert_eq!(csv("a\nb"), "a b");
    }

    #[test]
    fn html_is_text_in_elements_and_attributes() {
        assert_eq!(html("<b a=\"x\" b='y'>&\u{7}"), "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp; ");
        assert_eq!(html_sentence("a `b<` c ` d"), "a <code>b&lt;</code> c ` d");
    }

    #[test]
    fn markdown_is_text() {
        for (name, text) in [
            ("<script>alert(1)</script>", r"&lt;script>alert(1)&lt;/script>"),
            ("![x](https://e.tld/p.png)", r"!\[x\](https:\/\/e.tld/p.png)"),
            ("a|b `c` *d* _e_ ~~f~~", r"a\|b \`c\` \*d\* \_e\_ \~\~f\~\~"),
            ("user_name__x", "user_name__x"),
            ("HTTP://e.tld www.e.tld s3://bucket/key", r"HTTP:\/\/e.tld www\.e.tld s3://bucket/key"),
            ("&lt;i&gt; &#60; R&D; A & B", r"&amp;lt;i&amp;gt; &amp;\#60; R&amp;D; A & B"),
            ("@acme/everybody ops@acme.com", "＠acme/everybody ops@acme.com"),
            ("# a\n- b\\", r"\# a - b\\"),
            ("USE1-BoxUsage:m5.large", "USE1-BoxUsage:m5.large"),
        ] {
            assert_eq!(markdown(name), text);
        }
    }

    #[test]
    fn code_of_our_own_stays_code() {
        assert_eq!(markdown_lines("- a (`--top <0>`)\nb ` c_\n"), "- a (`--top <0>`)\nb \\` c\\_\n");
        assert_eq!(markdown_cell("run `a b` or `c|d` | e"), r"run `a b` or \`c\|d\` \| e");
        assert_eq!(markdown_code("a`b"), "`` a`b ``");
        assert_eq!(markdown_code("a\n|b"), "`a |b`");
    }

    #[test]
    fn chats_make_no_links_mentions_and_formatting() {
        assert_eq!(slack("<!channel> <@U1> `x` *b* &"), "&lt;!channel&gt; &lt;@U1&gt; ˋxˋ ∗b∗ &amp;");
        assert_eq!(adaptive_card("[a](b) <at>x</at> {{DATE(1)}}"), r"\[a\](b) \<at\>x\</at\> { {DATE(1)}}");
    }
}
