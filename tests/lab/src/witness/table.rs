//! Tables of cells: one row per node, one column per kind of probe.
//!
//! ```text
//!           S    X    H   Nl  ...
//! node-1    +   x+   ++    +
//! node-2    +   xx   ++    +
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Family;
use super::cell::{Cell, Pattern, Sign, Signs};
use super::column::{COLUMNS, Column, TRIES, Targets, column};

/// A table with cells of one sort: [`Cell`] for what was measured, [`Pattern`] for what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid<T> {
    rows: Vec<Row<T>>,
}

/// What was measured.
pub type Table = Grid<Cell>;

/// What is expected.
pub type Expected = Grid<Pattern>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row<T> {
    name: String,
    /// As many as there are columns.
    cells: Vec<T>,
}

impl<T> Grid<T> {
    /// A table with these rows, whose cells are made one by one from row and column.
    pub fn from_fn(names: &[String], mut cell: impl FnMut(&str, &'static Column) -> T) -> Self {
        let row = |name: &String| Row {
            name: name.clone(),
            cells: COLUMNS.iter().map(|column| cell(name, column)).collect(),
        };
        Self {
            rows: names.iter().map(row).collect(),
        }
    }

    /// The cell of this row and column.
    pub fn cell(&self, row: &str, name: &str) -> Option<&T> {
        let index = column(name)?;
        self.rows
            .iter()
            .find(|one| one.name == row)?
            .cells
            .get(index)
    }

    /// The names of the rows.
    pub fn rows(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.name.as_str())
    }
}

impl Table {
    /// Every cell that is not as expected, row by row.
    pub fn differences(&self, expected: &Expected) -> Vec<Difference> {
        let mut differences = Vec::new();
        let unknown = Cell::UNKNOWN;
        for wanted in &expected.rows {
            for (column, pattern) in COLUMNS.iter().zip(&wanted.cells) {
                let found = self.cell(&wanted.name, column.name).unwrap_or(&unknown);
                if !pattern.matches(found) {
                    differences.push(Difference {
                        row: wanted.name.clone(),
                        column: *column,
                        expected: pattern.clone(),
                        measured: found.clone(),
                    });
                }
            }
        }
        let surplus = self
            .rows()
            .filter(|row| expected.rows().all(|name| name != *row));
        differences.extend(surplus.map(|row| {
            Difference {
                row: row.to_owned(),
                column: COLUMNS[0],
                expected: Pattern::Signs(Vec::new()),
                measured: self
                    .cell(row, COLUMNS[0].name)
                    .cloned()
                    .unwrap_or(Cell::UNKNOWN),
            }
        }));
        differences
    }

    /// As it is stored: `{"node-1": {"S": "+", ...}, ...}`.
    pub fn to_json(&self) -> Result<String> {
        let document: Document = self
            .rows
            .iter()
            .map(|row| {
                let cells = COLUMNS.iter().zip(&row.cells);
                let cells = cells.map(|(column, cell)| (column.name.to_owned(), cell.to_string()));
                (row.name.clone(), Cells(cells.collect()))
            })
            .collect();
        serde_json::to_string_pretty(&document).context("writing a table")
    }

    /// Reads what [`Table::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self> {
        let document: Document = serde_json::from_str(text).context("reading a table")?;
        let rows = document.into_iter().map(|(name, Cells(cells))| {
            if let Some(stranger) = cells.keys().find(|name| column(name).is_none()) {
                anyhow::bail!("{name}: there is no column `{stranger}`");
            }
            let cells = COLUMNS.iter().map(|column| {
                let text = cells
                    .get(column.name)
                    .with_context(|| format!("{name}: column `{}` is missing", column.name))?;
                let cell = Cell::from_str(text).map_err(Error::msg);
                cell.with_context(|| format!("{name}, column {}", column.name))
            });
            Ok(Row {
                cells: cells.collect::<Result<_>>()?,
                name,
            })
        });
        Ok(Self {
            rows: rows.collect::<Result<_>>()?,
        })
    }
}

type Document = BTreeMap<String, Cells>;

#[derive(Serialize, Deserialize)]
struct Cells(BTreeMap<String, String>);

impl Expected {
    /// What a healthy cluster with these nodes shows: everything works. CoreDNS runs on the first two nodes.
    pub fn healthy(nodes: &[String], family: Family) -> Self {
        Self::from_fn(nodes, |_, column| {
            let targets = match column.targets {
                // The Service of the API server has the first family of the cluster only.
                Targets::One if column.name == "A" && family == Family::V6 => 0,
                Targets::One => 1,
                Targets::Others => nodes.len().saturating_sub(1),
                Targets::DnsPods => nodes.len().min(2),
                Targets::Tries => {
                    return Pattern::Count {
                        low: TRIES,
                        high: TRIES,
                        tries: TRIES,
                    };
                }
            };
            Pattern::Signs(vec![Signs::of(&[Sign::Works]); targets])
        })
    }
}

/// A cell that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The node of the row.
    pub row: String,
    /// The column.
    pub column: Column,
    /// What should have been there.
    pub expected: Pattern,
    /// What was.
    pub measured: Cell,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: expected {}, measured {} ({})",
            self.row, self.column.name, self.expected, self.measured, self.column.meaning
        )
    }
}

impl<T: fmt::Display> fmt::Display for Grid<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .rows
            .iter()
            .map(|row| row.name.len())
            .max()
            .unwrap_or(0);
        let texts: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.cells.iter().map(ToString::to_string).collect())
            .collect();
        let widths: Vec<usize> = (0..COLUMNS.len())
            .map(|index| {
                texts
                    .iter()
                    .map(|row| row[index].len() + 1)
                    .max()
                    .unwrap_or(0)
                    .max(5)
            })
            .collect();
        let line = |name: &str, cells: &mut dyn Iterator<Item = &str>| {
            let mut line = format!("{name:names$}");
            for (cell, width) in cells.zip(&widths) {
                // Writing to a String cannot fail.
                let _ = write!(line, "{cell:>width$}");
            }
            line
        };
        writeln!(
            f,
            "{}",
            line("", &mut COLUMNS.iter().map(|column| column.name))
        )?;
        for (row, texts) in self.rows.iter().zip(&texts) {
            writeln!(
                f,
                "{}",
                line(&row.name, &mut texts.iter().map(String::as_str))
            )?;
        }
        Ok(())
    }
}

/// Why a text is no table, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line of the text, counted from 0.
    pub line: usize,
    /// What is wrong, with row and column.
    pub message: String,
}

impl<T: FromStr<Err = String>> Grid<T> {
    /// Reads a table as it is printed. Widths of columns and blank lines do not matter, their order and number do.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        let (at, head) = lines.next().ok_or_else(|| Mistake {
            line: 0,
            message: "the table is empty".to_owned(),
        })?;
        heads(head).map_err(|message| Mistake { line: at, message })?;
        let mut rows: Vec<Row<T>> = Vec::new();
        for (at, line) in lines {
            let row = row(line).map_err(|message| Mistake { line: at, message })?;
            if rows.iter().any(|earlier| earlier.name == row.name) {
                let message = format!("row {} is there twice", row.name);
                return Err(Mistake { line: at, message });
            }
            rows.push(row);
        }
        Ok(Self { rows })
    }
}

fn heads(line: &str) -> Result<(), String> {
    let found: Vec<&str> = line.split_whitespace().collect();
    for (index, column) in COLUMNS.iter().enumerate() {
        match found.get(index) {
            Some(name) if *name == column.name => {}
            Some(name) => {
                return Err(format!(
                    "column {} is `{name}` and should be `{}`",
                    index + 1,
                    column.name
                ));
            }
            None => return Err(format!("column `{}` is missing", column.name)),
        }
    }
    match found.get(COLUMNS.len()) {
        Some(surplus) => Err(format!("there is no column `{surplus}`")),
        None => Ok(()),
    }
}

fn row<T: FromStr<Err = String>>(line: &str) -> Result<Row<T>, String> {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let texts: Vec<&str> = words.collect();
    if texts.len() != COLUMNS.len() {
        return Err(format!(
            "row {name} has {} cells, not {}",
            texts.len(),
            COLUMNS.len()
        ));
    }
    let cells = COLUMNS.iter().zip(texts).map(|(column, text)| {
        T::from_str(text).map_err(|error| format!("row {name}, column {}: {error}", column.name))
    });
    Ok(Row {
        cells: cells.collect::<Result<_, _>>()?,
        name,
    })
}

impl Expected {
    /// Fails unless the rows are these.
    pub fn ensure_rows(&self, names: &[String]) -> Result<()> {
        let rows: Vec<&str> = self.rows().collect();
        ensure!(
            rows == *names,
            "the rows are {rows:?} and should be {names:?}"
        );
        Ok(())
    }
}
