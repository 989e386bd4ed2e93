//! Pages as files, for those who only have a place for files: a bucket, GitHub Pages. Links lead from file to file; what needs the
//! server is not there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{Age, Asked, PAGES, Page, shell};
use crate::{
    error::{Code, Error, Result},
    operations::{ListIncidents, Session, parse_flags},
    server::{assets, guard::Guest},
};

/// Incidents that have a page, the last ones.
const MOST_INCIDENTS: usize = 200;

/// What was written, and what was not.
#[derive(Debug)]
pub(crate) struct Exported {
    pub pages: usize,
    /// Pages that the data has nothing for: their addresses, and why.
    pub left_out: Vec<(String, Error)>,
}

/// Writes all pages below a folder.
///
/// # Errors
/// When a page cannot be made or written. Files that are there already are written over.
pub(crate) fn export(session: &Session, folder: &Path) -> Result<Exported> {
    let all = session.run(&parse_flags::<ListIncidents>(&["--status=all".to_owned()])?)?;
    let ids = all.incidents.iter().take(MOST_INCIDENTS).map(|shown| shown.incident.id.clone());
    let mut addresses: Vec<String> =
        ["/", "/incidents", "/incidents?status=all", "/explore", "/compare", "/forecast"].map(str::to_owned).to_vec();
    addresses.extend(["/forecast/record", "/budgets", "/accounts", "/status"].map(str::to_owned));
    addresses.extend(["account", "region", "usage-type"].map(|dimension| format!("/explore?group_by={dimension}")));
    addresses.extend(ids.map(|id| format!("/incidents/{id}")));
    let (mut texts, mut left_out) = (Vec::new(), Vec::new());
    for address in addresses {
        let (page, asked) = asked(&address).ok_or_else(|| Error::bug(format!("there is no page `{address}`")))?;
        match (page.make)(session, &asked) {
            Ok(made) => {
                let text = shell(&made.title, &made.main, page.path, Some(&Guest::of_files()), &Age::default())?;
                texts.push((address, text));
            }
            // Of a short history some pages have nothing to show.
            Err(error) if [Code::InvalidInput, Code::NoData].contains(&error.code()) && address != "/" => {
                left_out.push((address, error));
            }
            Err(error) => return Err(error.context(format!("cannot make the page `{address}`"))),
        }
    }
    // Only to pages that are there do links lead.
    let files: BTreeMap<String, PathBuf> =
        texts.iter().map(|(address, _)| (address.clone(), file_of(address))).collect();
    for (address, text) in &texts {
        let file = &files[address];
        write(&folder.join(file), linked(text, file, &files).as_bytes())?;
    }
    for (name, bytes) in assets::of_pages() {
        write(&folder.join("assets").join(name), bytes)?;
    }
    Ok(Exported { pages: texts.len(), left_out })
}

fn asked(address: &str) -> Option<(&'static Page, Asked)> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let exact = PAGES.iter().find(|page| page.path == path);
    if let Some(page) = exact {
        return Some((page, Asked { path: Vec::new(), query }));
    }
    let id = path.strip_prefix("/incidents/")?.to_owned();
    let page = PAGES.iter().find(|page| page.path == "/incidents/{id}")?;
    Some((page, Asked { path: vec![("id".to_owned(), id)], query }))
}

/// The file of an address.
fn file_of(address: &str) -> PathBuf {
    match address {
        "/" => "index.html".into(),
        address => {
            let name = address.trim_start_matches('/').replace(['?', '=', '&'], "-");
            format!("{name}.html").into()
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e: std::io::Error| {
        Error::input(format!("cannot write `{}`", path.display()))
            .caused_by(e)
            .hint("name a folder that can be written")
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}

/// A page whose links lead to files beside it. What leads nowhere is no link; what asks the server is not there.
fn linked(text: &str, file: &Path, files: &BTreeMap<String, PathBuf>) -> String {
    let up = "../".repeat(file.components().count().saturating_sub(1));
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, attribute, value, after)) = next_address(rest) {
        written += before;
        let address = value.replace("&amp;", "&");
        let (address, place) = address
            .split_once('#')
            .map_or((address.as_str(), String::new()), |(address, place)| (address, format!("#{place}")));
        match files.get(address) {
            _ if address.starts_with("/assets/") => {
                let name = address.split('?').next().unwrap_or_default();
                written += &format!("{attribute}=\"{up}{}\"", name.trim_start_matches('/'));
            }
            Some(target) if attribute == "href" => written += &format!("href=\"{up}{}{place}\"", target.display()),
            _ if address.is_empty() => written += &format!("{attribute}=\"{place}\""),
            // A link of its own kind is no link of the file's.
            _ if address.starts_with('/') => written += "data-none=\"\"",
            _ => written += &format!("{attribute}=\"{value}\""),
        }
        rest = after;
    }
    written += rest;
    written.replace("<body class=\"", "<body class=\"files ")
}

/// The next attribute that has an address: what is before it, its name, its value, what is after it.
fn next_address(text: &str) -> Option<(&str, &'static str, &str, &str)> {
    let names = ["href", "src", "action", "hx-get", "hx-post", "data-href", "data-live"];
    let found = |name: &&'static str| Some((text.find(&format!(" {name}=\""))? + 1, *name));
    let (start, name) = names.iter().filter_map(found).min_by_key(|(start, _)| *start)?;
    let value = start + name.len() + 2;
    let end = value + text[value..].find('"')?;
    Some((&text[..start], name, &text[value..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_files() {
        let files: BTreeMap<String, PathBuf> = ["/", "/incidents/ab", "/explore?group_by=account"]
            .map(|address| (address.to_owned(), file_of(address)))
            .into();
        let text = "<body class=\"\" data-live=\"/api/v1/events\"><a href=\"/\">m</a><a href=\"/explore?group_by=account\">e</a>\
                    <a href=\"/explore?from=1&amp;to=2\">d</a><a href=\"#main\">s</a><link href=\"/assets/app.css?v=1\">";
        assert_eq!(
            linked(text, Path::new("incidents/ab.html"), &files),
            "<body class=\"files \" data-none=\"\"><a href=\"../index.html\">m</a><a href=\"../explore-group_by-account.html\">e</a>\
             <a data-none=\"\">d</a><a href=\"#main\">s</a><link href=\"../assets/app.css\">"
        );
    }
}
