//! Tables without lines: aligned columns that fit the terminal, one row a line in a pipe.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, TableStyle};

/// One column: its heading, and what its cells are like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// Text of a few words, never wrapped.
    Word(&'static str),
    /// Numbers, to the right, never wrapped.
    Number(&'static str),
    /// Text of any length, wrapped where the terminal is too narrow.
    Text(&'static str),
}

/// Lays the rows out. Cells must be free of control characters. With a `width` (a terminal's) long
/// texts are wrapped, and nothing is cut off; without one a row is one line, for `grep`.
pub(super) fn lay_out(columns: &[Column], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    if let Some(width) = width {
        table.set_width(width.max(NARROWEST));
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(columns.iter().map(|column| match column {
        Column::Word(name) | Column::Number(name) | Column::Text(name) => *name,
    }));
    for row in rows {
        table.add_row(row);
    }
    for (column, laid) in columns.iter().zip(table.column_iter_mut()) {
        laid.set_padding((0, GAP));
        if matches!(column, Column::Number(_)) {
            laid.set_cell_alignment(CellAlignment::Right);
        }
        if matches!(column, Column::Number(_) | Column::Word(_)) {
            laid.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

/// Blanks between two columns.
const GAP: u16 = 2;

/// Below this, wrapping makes a table less readable than a terminal that breaks its lines.
const NARROWEST: u16 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::Number("ID"),
        Column::Text("FILE"),
        Column::Word("KEY"),
        Column::Text("ERROR"),
    ];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![
            row(["1", &"x".repeat(255), "AbCd1234", ""]),
            row([
                "1000",
                "北京 Été 👩\u{200d}👩\u{200d}👧.mp4",
                "",
                &"why it is so ".repeat(9),
            ]),
        ]
    }

    #[test]
    fn a_terminal_is_never_exceeded_and_nothing_is_lost() {
        for width in 60..200 {
            let shown = lay_out(&COLUMNS, rows(), Some(width));
            for line in shown.lines() {
                let taken = console::measure_text_width(line);
                assert!(taken <= usize::from(width), "{width}:\n{shown}");
            }
            assert_eq!(shown.matches('x').count(), 255, "{shown}");
            assert_eq!(shown.matches("why").count(), 9, "{shown}");
            assert!(shown.contains("AbCd1234"), "a key is one word: {shown}");
        }
    }

    #[test]
    fn in_a_pipe_a_row_is_a_line() {
        assert_eq!(lay_out(&COLUMNS, rows(), None).lines().count(), 3);
    }
}
