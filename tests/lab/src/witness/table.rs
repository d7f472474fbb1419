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

use super::cell::{Cell, Pattern, Sign};

/// A kind of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The head of the column.
    pub name: &'static str,
    /// What is tried, from the node of the row unless it says otherwise.
    pub meaning: &'static str,
}

macro_rules! columns {
    ($($name:literal $meaning:literal),+ $(,)?) => {
        /// The columns of every table, in order. "Others" are the other nodes in order; they, DNS pods and so on are the
        /// targets of a cell.
        pub const COLUMNS: &[Column] = &[$(Column { name: $name, meaning: $meaning }),+];
    };
}

columns! {
    "S" "pod to a pod of the same node, TCP",
    "X" "pod to a pod of each other node, TCP",
    "H" "node to each other node (kubelet's port), TCP",
    "Nl" "node to its own pod",
    "Nr" "node to a pod of each other node",
    "Cl" "pod to a ClusterIP whose only endpoint is on its own node",
    "Cr" "pod to ClusterIPs whose only endpoint is on each other node",
    "HCl" "node to a ClusterIP whose only endpoint is its own pod",
    "HCr" "node to ClusterIPs whose only endpoint is on each other node",
    "Pown" "pod to the NodePort of its own node (endpoint on its own node)",
    "P" "pod to the same NodePort on each other node",
    "Ds" "pod to the DNS Service: a name of the cluster over UDP, one try",
    "DsT" "the same over TCP",
    "Dp" "pod to each DNS pod: a name of the cluster over UDP",
    "Ei" "pod to an outside address, TCP",
    "En" "pod to the DNS Service: an outside name",
    "nE" "node to the outside address, TCP",
    "I" "pod to a pod of each other node: ping with 56 bytes",
    "L" "pod to a pod of each other node: ping with 1400 bytes",
    "A" "pod to the API server by its ClusterIP",
    "U" "pod to a pod of each other node: UDP, answered and counted by the receiver",
    "M" "pod to a ClusterIP with one endpoint on every node, several tries",
    "Hp" "pod to the ClusterIP whose only endpoint is the pod itself",
    "DpT" "pod to each DNS pod: a name of the cluster over TCP",
    "Pi" "from the internet host: to the NodePort of this node (endpoint on this node)",
    "K" "from the control plane: to the kubelet of this node",
}

/// The column of this name.
pub(super) fn column(name: &str) -> Option<usize> {
    COLUMNS.iter().position(|column| column.name == name)
}

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
    pub fn from_fn(names: &[String], mut cell: impl FnMut(&str, &'static str) -> T) -> Self {
        let row = |name: &String| Row {
            name: name.clone(),
            cells: COLUMNS
                .iter()
                .map(|column| cell(name, column.name))
                .collect(),
        };
        Self {
            rows: names.iter().map(row).collect(),
        }
    }

    /// The cell of this row and column.
    pub fn cell(&self, row: &str, column: &str) -> Option<&T> {
        let index = self::column(column)?;
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
    /// What a healthy cluster shows: everything works, except where the function says otherwise.
    pub fn healthy(table: &Table, except: impl Fn(&str) -> Option<Pattern>) -> Self {
        let rows = table.rows.iter().map(|row| Row {
            name: row.name.clone(),
            cells: COLUMNS
                .iter()
                .zip(&row.cells)
                .map(|(column, cell)| except(column.name).unwrap_or_else(|| all_works(cell)))
                .collect(),
        });
        Self {
            rows: rows.collect(),
        }
    }
}

/// Works, for as many targets as were tried. A cell without any target is not healthy: something is missing.
fn all_works(cell: &Cell) -> Pattern {
    use super::cell::Signs;
    match cell {
        Cell::Signs(signs) => Pattern::Signs(vec![Signs::of(&[Sign::Works]); signs.len().max(1)]),
        Cell::Count { tries, .. } => Pattern::Count {
            low: *tries,
            high: *tries,
            tries: *tries,
        },
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
