//! The text format of Prometheus 0.0.4, with everything as an error that `promtool check metrics` complains about.

use std::collections::{BTreeMap, BTreeSet};

/// Type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Counter,
    Gauge,
    Histogram,
}

/// One sample.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// A family and its samples.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) kind: Type,
    pub(crate) samples: Vec<Sample>,
}

/// Everything that was exposed.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) families: BTreeMap<String, Family>,
}

impl Exposition {
    /// Reads an exposition: for each family HELP, TYPE, then its samples.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut exposition = Self::default();
        let body = text
            .strip_suffix('\n')
            .ok_or("the last line does not end")?;
        let mut lines = body.split('\n').peekable();
        while let Some(line) = lines.next() {
            let name = help(line)?;
            let kind = kind(lines.next().ok_or("HELP without TYPE")?, name)?;
            let mut samples = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                samples.push(sample(line)?);
            }
            let family = Family { kind, samples };
            family.check(name)?;
            if exposition
                .families
                .insert(name.to_owned(), family)
                .is_some()
            {
                return Err(format!("{name} is there twice"));
            }
        }
        Ok(exposition)
    }

    /// The value of a sample.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: BTreeMap<String, String> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let samples = self.families.values().flat_map(|family| &family.samples);
        let mut found = samples.filter(|sample| sample.name == name && sample.labels == wanted);
        found.next().map(|sample| sample.value)
    }
}

impl Family {
    fn check(&self, name: &str) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            if !seen.insert((sample.name.as_str(), &sample.labels)) {
                return Err(format!("{} is there twice", sample.name));
            }
        }
        match self.kind {
            Type::Counter => {
                let counts = |sample: &Sample| sample.name == name && sample.value >= 0.0;
                let fine = name.ends_with("_total") && self.samples.iter().all(counts);
                fine.then_some(()).ok_or(format!("{name} is no counter"))
            }
            Type::Gauge => {
                let fine = !name.ends_with("_total") && self.samples.iter().all(|s| s.name == name);
                fine.then_some(()).ok_or(format!("{name} is no gauge"))
            }
            Type::Histogram => self.check_histogram(name),
        }
    }

    fn check_histogram(&self, name: &str) -> Result<(), String> {
        let mut series: BTreeMap<BTreeMap<String, String>, Series> = BTreeMap::new();
        for sample in &self.samples {
            let mut labels = sample.labels.clone();
            let bound = labels.remove("le");
            let series = series.entry(labels).or_default();
            match (sample.name.strip_prefix(name), bound) {
                (Some("_bucket"), Some(bound)) => {
                    series.buckets.push((number(&bound)?, sample.value));
                }
                (Some("_sum"), None) => series.sum = Some(sample.value),
                (Some("_count"), None) => series.count = Some(sample.value),
                _ => return Err(format!("{} in histogram {name}", sample.name)),
            }
        }
        series.values().try_for_each(|series| series.check(name))
    }
}

#[derive(Debug, Default)]
struct Series {
    buckets: Vec<(f64, f64)>,
    sum: Option<f64>,
    count: Option<f64>,
}

impl Series {
    fn check(&self, name: &str) -> Result<(), String> {
        let rising = self
            .buckets
            .windows(2)
            .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1);
        let last = self
            .buckets
            .last()
            .filter(|(bound, _)| *bound == f64::INFINITY);
        let counted = last.map(|(_, count)| *count);
        let fine = rising && self.sum.is_some() && counted.is_some() && counted == self.count;
        fine.then_some(())
            .ok_or(format!("{name} is no histogram: {self:?}"))
    }
}

fn help(line: &str) -> Result<&str, String> {
    let rest = line
        .strip_prefix("# HELP ")
        .ok_or(format!("no HELP: {line}"))?;
    let (name, text) = rest
        .split_once(' ')
        .ok_or(format!("HELP without text: {line}"))?;
    let fine = is_name(name, true) && !text.trim().is_empty();
    fine.then_some(name).ok_or(format!("bad HELP: {line}"))
}

fn kind(line: &str, name: &str) -> Result<Type, String> {
    let rest = line
        .strip_prefix("# TYPE ")
        .ok_or(format!("no TYPE: {line}"))?;
    match rest.split_once(' ') {
        Some((of, "counter")) if of == name => Ok(Type::Counter),
        Some((of, "gauge")) if of == name => Ok(Type::Gauge),
        Some((of, "histogram")) if of == name => Ok(Type::Histogram),
        _ => Err(format!("bad TYPE: {line}")),
    }
}

fn sample(line: &str) -> Result<Sample, String> {
    let error = || format!("bad sample: {line}");
    let end = line.find(['{', ' ']).ok_or_else(error)?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest).ok_or_else(error)?,
        None => (BTreeMap::new(), rest),
    };
    let value = number(rest.strip_prefix(' ').ok_or_else(error)?)?;
    if !is_name(name, true) {
        return Err(error());
    }
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Labels and what follows the closing brace.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        let (key, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        if !is_name(key, false) || labels.insert(key.to_owned(), value).is_some() {
            return None;
        }
        if let Some(after) = after.strip_prefix('}') {
            return Some((labels, after));
        }
        rest = after.strip_prefix(',')?;
    }
}

/// A value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        text if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            text.parse().map_err(|_| format!("no number: {text}"))
        }
        text => Err(format!("no number: {text}")),
    }
}

fn is_name(name: &str, colon: bool) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
    name.starts_with(|c: char| fine(c) && !c.is_ascii_digit()) && name.chars().all(fine)
}
