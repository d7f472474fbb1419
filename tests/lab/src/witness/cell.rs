//! One cell of a table: what a probe saw, and what a fault file says it should have seen.
//!
//! Measured:
//!
//! ```text
//! cell  = sign+            one sign per target, in the order of the targets
//!       | k "/" n          for columns that count: k of n tries worked
//! sign  = "+" works   "x" timeout   "r" refused   "u" unreachable or another error of the network
//!         "s" a server answered, but not with what was asked for   ">" UDP arrived and no answer came back
//!         "." could not be measured
//! ```
//!
//! Expected, where a fault itself is random or a Service has several endpoints:
//!
//! ```text
//! cell  = "*"              anything, for all targets
//!       | "."              nothing could be measured
//!       | (sign | set)+    one per target
//!       | k "/" n | low "-" high "/" n
//! set   = "{" sign sign+ "}"     one of these
//!       | "?"                    anything, for one target
//! ```

use std::fmt;
use std::str::FromStr;

/// What came of trying one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sign {
    /// It works.
    Works,
    /// Nothing came back in time.
    Timeout,
    /// Refused: a reset, or a port that is closed.
    Refused,
    /// No route, prohibited, or any other error that a network reports.
    Unreachable,
    /// A server answered, but not with what was asked for: of DNS, or of the web.
    Failure,
    /// UDP: the receiver counted what was sent, and its answer never came back.
    Arrived,
    /// Nobody could be asked, or there is no such target.
    Unknown,
}

impl Sign {
    /// All signs.
    pub const ALL: [Self; 7] = [
        Self::Works,
        Self::Timeout,
        Self::Refused,
        Self::Unreachable,
        Self::Failure,
        Self::Arrived,
        Self::Unknown,
    ];

    /// How it is written.
    pub const fn symbol(self) -> char {
        match self {
            Self::Works => '+',
            Self::Timeout => 'x',
            Self::Refused => 'r',
            Self::Unreachable => 'u',
            Self::Failure => 's',
            Self::Arrived => '>',
            Self::Unknown => '.',
        }
    }

    /// The sign that is written so.
    pub fn from_symbol(symbol: char) -> Option<Self> {
        Self::ALL.into_iter().find(|sign| sign.symbol() == symbol)
    }
}

/// What was measured for one source and one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// One sign per target.
    Signs(Vec<Sign>),
    /// So many tries of so many worked.
    Count {
        /// Tries that worked.
        worked: u8,
        /// Tries.
        tries: u8,
    },
}

impl Cell {
    /// The cell of something that could not be measured.
    pub const UNKNOWN: Self = Self::Signs(Vec::new());

    /// Whether there is no result in it.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Signs(signs) => signs.iter().all(|sign| *sign == Sign::Unknown),
            Self::Count { tries, .. } => *tries == 0,
        }
    }
}

/// What is expected for one source and one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// `*`
    Any,
    /// One set of signs per target. Empty: nothing could be measured.
    Signs(Vec<Signs>),
    /// `low-high/n`
    Count {
        /// The fewest tries that may work.
        low: u8,
        /// The most.
        high: u8,
        /// Tries.
        tries: u8,
    },
}

/// A set of signs, as bits in the order of [`Sign::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs(u8);

impl Signs {
    /// Every sign.
    pub const ANY: Self = Self((1 << Sign::ALL.len()) - 1);

    /// These signs.
    pub fn of(signs: &[Sign]) -> Self {
        Self(signs.iter().fold(0, |bits, sign| bits | Self::bit(*sign)))
    }

    /// Whether this sign is one of them.
    pub fn contains(self, sign: Sign) -> bool {
        self.0 & Self::bit(sign) != 0
    }

    const fn bit(sign: Sign) -> u8 {
        1 << sign as u8
    }
}

impl Pattern {
    /// Whether the measured cell is as expected.
    pub fn matches(&self, cell: &Cell) -> bool {
        match (self, cell) {
            (Self::Any, _) => true,
            (Self::Signs(wanted), _) if wanted.is_empty() => cell.is_unknown(),
            (Self::Signs(wanted), Cell::Signs(found)) => {
                wanted.len() == found.len()
                    && wanted
                        .iter()
                        .zip(found)
                        .all(|(set, sign)| set.contains(*sign))
            }
            (
                Self::Count { low, high, tries },
                Cell::Count {
                    worked,
                    tries: tried,
                },
            ) => tries == tried && (low..=high).contains(&worked),
            (Self::Signs(_), Cell::Count { .. }) | (Self::Count { .. }, Cell::Signs(_)) => false,
        }
    }
}

/// What was measured, expected exactly.
impl From<&Cell> for Pattern {
    fn from(cell: &Cell) -> Self {
        match cell {
            _ if cell.is_unknown() => Self::Signs(Vec::new()),
            Cell::Signs(signs) => {
                Self::Signs(signs.iter().map(|sign| Signs::of(&[*sign])).collect())
            }
            Cell::Count { worked, tries } => Self::Count {
                low: *worked,
                high: *worked,
                tries: *tries,
            },
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            _ if self.is_unknown() => f.pad("."),
            Self::Signs(signs) => {
                f.pad(&signs.iter().map(|sign| sign.symbol()).collect::<String>())
            }
            Self::Count { worked, tries } => f.pad(&format!("{worked}/{tries}")),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.pad("*"),
            Self::Signs(sets) if sets.is_empty() => f.pad("."),
            Self::Signs(sets) => f.pad(&sets.iter().map(Signs::to_string).collect::<String>()),
            Self::Count { low, high, tries } if low == high => f.pad(&format!("{low}/{tries}")),
            Self::Count { low, high, tries } => f.pad(&format!("{low}-{high}/{tries}")),
        }
    }
}

impl fmt::Display for Signs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbols: String = Sign::ALL
            .into_iter()
            .filter(|sign| self.contains(*sign))
            .map(Sign::symbol)
            .collect();
        match symbols.len() {
            1 => f.write_str(&symbols),
            _ if *self == Self::ANY => f.write_str("?"),
            _ => write!(f, "{{{symbols}}}"),
        }
    }
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((low, high, tries)) = count(text)? {
            return if low == high {
                Ok(Self::Count { worked: low, tries })
            } else {
                Err(format!(
                    "`{text}` is a range, and a measured cell has one number"
                ))
            };
        }
        if text == "." {
            return Ok(Self::UNKNOWN);
        }
        if text.is_empty() {
            return Err("a cell is empty".to_owned());
        }
        text.chars()
            .map(sign)
            .collect::<Result<_, _>>()
            .map(Self::Signs)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => return Err("a cell is empty".to_owned()),
            "*" => return Ok(Self::Any),
            "." => return Ok(Self::Signs(Vec::new())),
            _ => {}
        }
        if let Some((low, high, tries)) = count(text)? {
            return Ok(Self::Count { low, high, tries });
        }
        let mut sets = Vec::new();
        let mut rest = text.chars();
        while let Some(symbol) = rest.next() {
            sets.push(match symbol {
                '?' => Signs::ANY,
                '{' => {
                    let (inside, after) = rest
                        .as_str()
                        .split_once('}')
                        .ok_or_else(|| format!("a `{{` is not closed in `{text}`"))?;
                    rest = after.chars();
                    set(inside)?
                }
                other => Signs::of(&[sign(other)?]),
            });
        }
        Ok(Self::Signs(sets))
    }
}

fn sign(symbol: char) -> Result<Sign, String> {
    Sign::from_symbol(symbol)
        .ok_or_else(|| format!("`{symbol}` is no sign; there are + x r u s > and ."))
}

/// The inside of braces.
fn set(inside: &str) -> Result<Signs, String> {
    let signs = inside.chars().map(sign).collect::<Result<Vec<_>, _>>()?;
    if signs.len() < 2 {
        return Err(format!("`{{{inside}}}` needs two signs at least"));
    }
    Ok(Signs::of(&signs))
}

/// `k/n` or `low-high/n`, if the text has a slash.
fn count(text: &str) -> Result<Option<(u8, u8, u8)>, String> {
    let Some((worked, tries)) = text.split_once('/') else {
        return Ok(None);
    };
    let number = |text: &str| text.parse::<u8>().ok();
    let (low, high) = worked.split_once('-').unwrap_or((worked, worked));
    match (number(low), number(high), number(tries)) {
        (Some(low), Some(high), Some(tries)) if low <= high && high <= tries && tries > 0 => {
            Ok(Some((low, high, tries)))
        }
        _ => Err(format!("`{text}` is no count; it is written 3/4 or 1-3/4")),
    }
}
