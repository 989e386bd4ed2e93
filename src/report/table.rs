//! Tables that fit: columns of least importance go first, then long names are shortened in the middle;
//! numbers and dates are never cut.

use std::borrow::Cow;

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table as Comfy, presets};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Style;
use crate::inert;

/// Names are not shortened below this.
const MIN_NAME_WIDTH: usize = 12;
const GAP: usize = 2;
/// What is before the last part of a path is not shortened below this.
const MIN_HEAD_WIDTH: usize = 5;

/// One column of a [`Table`].
#[derive(Clone, Debug)]
pub(crate) struct Column {
    header: String,
    right: bool,
    /// Columns of rank 0 always stay; the highest rank goes first.
    rank: u8,
}

impl Column {
    /// A name, left-aligned, shortened when need be.
    pub(crate) fn name(header: impl Into<String>) -> Self {
        Self { header: printable(header.into()), right: false, rank: 0 }
    }

    /// A number or date that always stays.
    pub(crate) fn number(header: impl Into<String>) -> Self {
        Self { header: printable(header.into()), right: true, rank: 0 }
    }

    /// Lets the column go when space is short; the highest rank goes first.
    pub(crate) fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }
}

/// Rows of text under columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<(Vec<String>, Option<Color>)>,
}

impl Table {
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push((cells.into_iter().map(printable).collect(), None));
    }

    /// A row whose first cell is coloured where the terminal can.
    pub(crate) fn colored_row(&mut self, cells: Vec<String>, color: Color) {
        self.rows.push((cells.into_iter().map(printable).collect(), Some(color)));
    }

    /// The names of the columns, and whether they are numbers.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, bool)> {
        self.columns.iter().map(|column| (column.header.as_str(), column.right))
    }

    /// The rows, cell by cell.
    pub(crate) fn cells(&self) -> impl Iterator<Item = &[String]> {
        self.rows.iter().map(|(cells, _)| cells.as_slice())
    }

    /// Text for a terminal, every line ending in a newline and none in spaces.
    pub(crate) fn render(&self, style: Style) -> String {
        self.render_counting(style).0
    }

    /// Like [`Table::render`], with the number of columns that did not fit.
    pub(crate) fn render_counting(&self, style: Style) -> (String, usize) {
        let (kept, widths) = self.fit(style.width);
        let mut table = Comfy::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if style.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let header = kept.iter().map(|&index| Cell::new(&self.columns[index].header));
        table.set_header(header);
        for (cells, color) in &self.rows {
            table.add_row(kept.iter().enumerate().map(|(position, &index)| {
                let text = shortened(cells.get(index).map_or("", String::as_str), widths[position]);
                match color {
                    Some(color) if position == 0 => Cell::new(text).fg(*color),
                    _ => Cell::new(text),
                }
            }));
        }
        for (position, &index) in kept.iter().enumerate() {
            if let Some(column) = table.column_mut(position) {
                column.set_padding((0, if position + 1 == kept.len() { 0 } else { GAP as u16 }));
                column.set_cell_alignment(if self.columns[index].right {
                    CellAlignment::Right
                } else {
                    CellAlignment::Left
                });
            }
        }
        let text = table.to_string();
        (text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect(), self.columns.len() - kept.len())
    }

    /// A markdown table.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(self.columns.iter().map(|column| inert::markdown_cell(&column.header)).collect());
        text += &line(self.columns.iter().map(|column| if column.right { "---:" } else { "---" }.to_owned()).collect());
        for (cells, _) in &self.rows {
            text += &line(cells.iter().map(|cell| inert::markdown_cell(cell)).collect());
        }
        text
    }

    /// An HTML table.
    pub(crate) fn html(&self) -> String {
        let cell = |tag: &str, column: &Column, text: &str| {
            let class = if column.right { " class=\"n\"" } else { "" };
            format!("<{tag}{class}>{}</{tag}>", inert::html(text))
        };
        let line = |cells: Vec<String>| format!("<tr>{}</tr>\n", cells.concat());
        let mut text = String::from("<table>\n");
        text += &line(self.columns.iter().map(|column| cell("th", column, &column.header)).collect());
        for (cells, _) in &self.rows {
            text += &line(self.columns.iter().zip(cells).map(|(column, text)| cell("td", column, text)).collect());
        }
        text + "</table>\n"
    }

    /// The columns that stay and their widths.
    fn fit(&self, limit: Option<usize>) -> (Vec<usize>, Vec<usize>) {
        let mut natural: Vec<usize> = self.columns.iter().map(|column| column.header.width()).collect();
        for (cells, _) in &self.rows {
            for (width, cell) in natural.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        }
        let Some(limit) = limit else { return ((0..self.columns.len()).collect(), natural) };
        // Shortening names a little is better than losing a column.
        let names = self.columns.iter().zip(&natural).filter(|(column, _)| !column.right && column.rank == 0);
        let slack: usize = names.map(|(_, width)| width.saturating_sub(MIN_NAME_WIDTH * 2)).sum();
        let mut total = (natural.iter().map(|width| width + GAP).sum::<usize>()).saturating_sub(GAP);
        // The last of the highest rank goes first.
        let mut leaving: Vec<usize> = (0..self.columns.len()).filter(|index| self.columns[*index].rank > 0).collect();
        leaving.sort_by_key(|index| (self.columns[*index].rank, *index));
        let mut has_left = vec![false; self.columns.len()];
        while total > limit + slack
            && let Some(least) = leaving.pop()
        {
            has_left[least] = true;
            total = total.saturating_sub(natural[least] + GAP);
        }
        let kept: Vec<usize> = (0..self.columns.len()).filter(|index| !has_left[*index]).collect();
        let mut widths: Vec<usize> = kept.iter().map(|index| natural[*index]).collect();
        let mut excess = total.saturating_sub(limit);
        while excess > 0 {
            let names = kept.iter().enumerate().filter(|(_, index)| !self.columns[**index].right);
            let widest = names.map(|(position, _)| position).max_by_key(|position| widths[*position]);
            match widest {
                Some(position) if widths[position] > MIN_NAME_WIDTH => widths[position] -= 1,
                _ => break,
            }
            excess -= 1;
        }
        (kept, widths)
    }
}

/// Names come from bills: a line break or an escape sequence in one must not reach the terminal.
fn printable(text: String) -> String {
    match inert::one_line(&text) {
        Cow::Owned(printable) => printable,
        Cow::Borrowed(_) => text,
    }
}

/// Both ends of a text that is too long: names of resources differ at either.
fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    // An id with its name in brackets says most by the whole id.
    if let Some((id, name)) = text.split_once(" (")
        && name.ends_with(')')
        && id.width() <= width
    {
        return id.to_owned();
    }
    // Of a path the last part says most, and of that the id.
    if let Some((head, tail)) = text.rsplit_once(" / ") {
        let tail = tail.split_once(" (").map_or(tail, |(id, _)| id);
        let room = width.saturating_sub(tail.width() + 3);
        if head.width() <= room || room >= MIN_HEAD_WIDTH {
            return format!("{} / {tail}", shortened(head, room));
        }
    }
    let tail = (width - 1) / 2;
    let start = fitting(text.chars(), width - 1 - tail);
    let end: Vec<char> = fitting(text.chars().rev(), tail);
    start.into_iter().chain(['…']).chain(end.into_iter().rev()).collect()
}

/// The first characters that fit into so many columns: some take two.
fn fitting(characters: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut taken = 0;
    let fits = |character: &char| {
        taken += character.width().unwrap_or(0);
        taken <= width
    };
    characters.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new(vec![Column::name("service"), Column::number("cost"), Column::number("share").rank(1)]);
        table.row(vec!["a-service-with-a-very-long-name-indeed".into(), "$1,234.00".into(), "12.0 %".into()]);
        table
    }

    fn plain(width: usize) -> String {
        table().render(Style { width: Some(width), color: false })
    }

    #[test]
    fn wide_tables_show_everything() {
        assert_eq!(
            table().render(Style { width: None, color: false }),
            "service                                      cost   share\na-service-with-a-very-long-name-indeed  $1,234.00  12.0 %\n"
        );
    }

    #[test]
    fn narrow_tables_shorten_names_then_drop_columns_and_never_cut_numbers() {
        let shortened =
            "service                          cost   share\na-service-wit…-name-indeed  $1,234.00  12.0 %\n";
        assert_eq!(plain(45), shortened);
        for width in [20, 30, 40] {
            assert!(plain(width).contains("$1,234.00"), "{}", plain(width));
        }
        assert!(!plain(24).contains("share"));
    }

    #[test]
    fn thousands_of_columns_take_no_time_and_are_counted() {
        let names =
            (0..5000).map(|index| Column::name(format!("c{index}")).rank(u8::try_from(index).unwrap_or(u8::MAX)));
        let mut table = Table::new(names.collect());
        (0..20).for_each(|row| table.row((0..5000).map(|index| format!("{row}.{index}")).collect()));
        let (text, excluded) = table.render_counting(Style { width: Some(40), color: false });
        assert_eq!(text.lines().next(), Some("c0    c1    c2    c3    c4    c5    c6"));
        assert_eq!(excluded, 4993);
    }

    #[test]
    fn an_id_stays_whole_before_its_name() {
        assert_eq!(shortened("222222222222 (acme-production)", 20), "222222222222");
        assert_eq!(shortened("arn:aws:s3:::a-long-bucket-name", 12), "arn:aw…-name");
        assert_eq!(shortened("AmazonCloudWatch / 222222222222 (acme-production)", 24), "Amaz…atch / 222222222222");
        assert_eq!(shortened("AmazonCloudWatch / 222222222222", 12), "Amazon…22222");
        assert_eq!(shortened("生产环境的数据库服务", 11), "生产…服务");
    }

    #[test]
    fn markdown_escapes_bars() {
        let mut table = Table::new(vec![Column::name("a")]);
        table.row(vec!["x|y".into()]);
        assert_eq!(table.markdown(), "| a |\n| --- |\n| x\\|y |\n");
    }

    #[test]
    fn html_takes_no_markup_from_a_bill() {
        let mut table = Table::new(vec![Column::name("service"), Column::number("cost")]);
        table.row(vec!["<script>\"a\" & b".into(), "$1.00".into()]);
        let html = table.html();
        assert!(html.contains("<td>&lt;script&gt;&quot;a&quot; &amp; b</td><td class=\"n\">$1.00</td>"), "{html}");
    }
}
