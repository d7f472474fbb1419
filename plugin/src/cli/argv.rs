//! Rewrites a command line as kubectl users type it into one that clap reads the same way.
//!
//! kubectl's flag library lets flags stand before the command word, takes `--flag=false` for switches, lets
//! the last of several values win and takes whatever follows a flag as its value. This pass moves the
//! command words to the front, resolves switches and joins flags with their values; which flags exist and
//! which take a value comes from the clap definition, so that there is one list of flags.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use clap::{ArgAction, Command};

use super::{Stop, help};

/// A command line that clap reads as pflag would.
#[derive(Debug)]
pub(crate) struct Normalised {
    /// Command words, then flags and arguments in the order they were typed.
    pub(crate) tokens: Vec<OsString>,
    /// `kubectl netdoctor check`: where help for this line is found.
    pub(crate) command_path: String,
    /// No command word was typed; `check` was put in.
    pub(crate) implicit: bool,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
}

/// Flags by long name and by letter; both lead to the long name.
#[derive(Debug, Default)]
struct Flags {
    long: BTreeMap<String, Takes>,
    short: BTreeMap<char, String>,
}

impl Flags {
    fn add(&mut self, command: &Command) {
        for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
            let takes = match arg.get_action() {
                ArgAction::SetTrue | ArgAction::HelpShort => Takes::Nothing,
                _ => Takes::Value,
            };
            let Some(long) = arg.get_long() else { continue };
            for name in arg.get_long_and_visible_aliases().unwrap_or_default() {
                self.long.insert(name.to_owned(), takes);
            }
            for alias in arg.get_all_aliases().unwrap_or_default() {
                self.long.insert(alias.to_owned(), takes);
            }
            if let Some(short) = arg.get_short() {
                self.short.insert(short, long.to_owned());
            }
        }
    }

    fn add_all(&mut self, command: &Command) {
        self.add(command);
        for subcommand in command.get_subcommands() {
            self.add_all(subcommand);
        }
    }
}

/// One element of the command line, with flags separated from their values.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Word(OsString),
    /// `typed` is for messages: `--all-namespaces`, or the whole cluster for a letter.
    Flag {
        name: FlagName,
        typed: String,
        value: Option<OsString>,
    },
    /// `--`: everything after it is a word.
    Rest(Vec<OsString>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FlagName {
    Long(String),
    Short(char),
}

/// Rewrites `argv`, which comes without the program's name.
pub(crate) fn normalise(
    definition: &Command,
    argv: Vec<OsString>,
    program: &str,
) -> Result<Normalised, Stop> {
    let mut every = Flags::default();
    every.add_all(definition);
    let mut parts = split(argv, &every);

    let mut tokens = take_command_words(definition, &mut parts);
    if tokens.first().is_some_and(|word| word == "help") {
        tokens.remove(0);
        return help_topic(definition, tokens, &parts, program);
    }
    let implicit = tokens.is_empty();
    if implicit && parts.iter().any(|part| asks(part, "help", Some('h'))) {
        return Ok(Normalised {
            tokens: vec!["--help".into()],
            command_path: program.to_owned(),
            implicit,
        });
    }
    if implicit && parts.iter().any(|part| asks(part, "version", None)) {
        parts.retain(|part| !asks(part, "version", None));
        parts.push(Part::Flag {
            name: FlagName::Long("client".into()),
            typed: "--client".into(),
            value: None,
        });
        tokens.push("version".into());
    } else if implicit {
        tokens.push("check".into());
    }

    let mut command_path = program.to_owned();
    let mut command = definition;
    for word in &tokens {
        // The words were found in the definition, or are names of it.
        let Some(next) = command.find_subcommand(word) else {
            continue;
        };
        command = next;
        if !implicit {
            command_path = format!("{command_path} {}", word.display());
        }
    }
    if command.has_subcommands() {
        if let Some(Part::Word(word)) = parts.iter().find(|part| matches!(part, Part::Word(_))) {
            let sentence = format!(
                "error: unknown command \"{}\" for {command_path:?}",
                word.display()
            );
            return Err(help::usage(&sentence, &command_path));
        }
        tokens.push("--help".into());
        return Ok(Normalised {
            tokens,
            command_path,
            implicit,
        });
    }
    let mut flags = Flags::default();
    flags.add(command);
    let arguments =
        join(parts, &flags, command).map_err(|sentence| help::usage(&sentence, &command_path))?;
    tokens.extend(arguments);
    Ok(Normalised {
        tokens,
        command_path,
        implicit,
    })
}

fn asks(part: &Part, long: &str, short: Option<char>) -> bool {
    match part {
        Part::Flag {
            name: FlagName::Long(name),
            ..
        } => name == long,
        Part::Flag {
            name: FlagName::Short(letter),
            ..
        } => Some(*letter) == short,
        Part::Word(_) | Part::Rest(_) => false,
    }
}

/// Separates flags from values. A flag that is unknown takes nothing; it is reported later.
fn split(argv: Vec<OsString>, flags: &Flags) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut argv = argv.into_iter();
    while let Some(arg) = argv.next() {
        let Some(text) = arg.to_str() else {
            parts.push(split_non_utf8(arg));
            continue;
        };
        if text == "--" {
            parts.push(Part::Rest(argv.by_ref().collect()));
        } else if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.into())),
                None if flags.long.get(long) == Some(&Takes::Value) => (long, argv.next()),
                None => (long, None),
            };
            let typed = format!("--{name}");
            parts.push(Part::Flag {
                name: FlagName::Long(name.to_owned()),
                typed,
                value,
            });
        } else if let Some(cluster) = text.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            split_cluster(cluster, flags, &mut argv, &mut parts);
        } else {
            parts.push(Part::Word(arg));
        }
    }
    parts
}

/// `-f=PATH` and `--filename=PATH` with a path that is not UTF-8; otherwise an argument.
fn split_non_utf8(arg: OsString) -> Part {
    let bytes = arg.as_encoded_bytes();
    let Some(equals) = bytes
        .iter()
        .position(|byte| *byte == b'=')
        .filter(|_| bytes.starts_with(b"--"))
    else {
        return Part::Word(arg);
    };
    let Ok(name) = std::str::from_utf8(&bytes[2..equals]) else {
        return Part::Word(arg);
    };
    // A value that is not UTF-8 keeps its bytes on Unix; elsewhere the lossy form is the best there is.
    let value = os_string(&bytes[equals + 1..]);
    Part::Flag {
        name: FlagName::Long(name.to_owned()),
        typed: format!("--{name}"),
        value: Some(value),
    }
}

#[cfg(unix)]
fn os_string(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(bytes).to_owned()
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// `-AR`, `-oyaml`, `-o=yaml`, `-A=false`.
fn split_cluster(
    cluster: &str,
    flags: &Flags,
    argv: &mut impl Iterator<Item = OsString>,
    parts: &mut Vec<Part>,
) {
    let typed = format!("-{cluster}");
    let mut rest = cluster;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let takes = flags
            .short
            .get(&letter)
            .and_then(|long| flags.long.get(long));
        let value = if let Some(value) = rest.strip_prefix('=') {
            rest = "";
            Some(OsString::from(value))
        } else if takes == Some(&Takes::Value) {
            let attached = std::mem::take(&mut rest);
            if attached.is_empty() {
                argv.next()
            } else {
                Some(attached.into())
            }
        } else {
            None
        };
        parts.push(Part::Flag {
            name: FlagName::Short(letter),
            typed: typed.clone(),
            value,
        });
    }
}

/// Removes the command words from the line, wherever they stand among the flags.
fn take_command_words(definition: &Command, parts: &mut Vec<Part>) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut command = definition;
    while let Some(index) = parts.iter().position(|part| matches!(part, Part::Word(_))) {
        let Part::Word(word) = &parts[index] else {
            break;
        };
        if words.is_empty() && word == "help" || words.first().is_some_and(|first| first == "help")
        {
            words.push(word.clone());
        } else if let Some(next) = command.find_subcommand(word) {
            command = next;
            words.push(word.clone());
        } else {
            break;
        }
        parts.remove(index);
    }
    words
}

/// `help COMMAND` is `COMMAND --help`.
fn help_topic(
    definition: &Command,
    mut topic: Vec<OsString>,
    parts: &[Part],
    program: &str,
) -> Result<Normalised, Stop> {
    topic.extend(parts.iter().filter_map(|part| match part {
        Part::Word(word) => Some(word.clone()),
        Part::Flag { .. } | Part::Rest(_) => None,
    }));
    let mut command = definition;
    for word in &topic {
        let Some(next) = command.find_subcommand(word) else {
            let sentence = format!("error: unknown help topic \"{}\"", word.display());
            return Err(help::usage(&sentence, program));
        };
        command = next;
    }
    topic.push("--help".into());
    Ok(Normalised {
        tokens: topic,
        command_path: program.to_owned(),
        implicit: false,
    })
}

/// Writes the flags of one command as `--name=value`, with switches resolved: the last one wins.
fn join(parts: Vec<Part>, flags: &Flags, command: &Command) -> Result<Vec<OsString>, String> {
    let mut tokens: Vec<OsString> = Vec::new();
    for part in parts {
        let (name, typed, value) = match part {
            Part::Word(word) => {
                tokens.push(word);
                continue;
            }
            Part::Rest(rest) => {
                tokens.push("--".into());
                tokens.extend(rest);
                continue;
            }
            Part::Flag { name, typed, value } => (name, typed, value),
        };
        let long = known_long(&name, &typed, flags)?;
        let switch = OsString::from(format!("--{long}"));
        match (flags.long.get(&long), value) {
            (Some(Takes::Nothing), None) => tokens.push(switch),
            (Some(Takes::Nothing), Some(value)) => {
                tokens.retain(|token| *token != switch);
                if parse_bool(&value).ok_or_else(|| bad_bool(&value, &long, command))? {
                    tokens.push(switch);
                }
            }
            // kubectl's connection flags are unset by an empty value.
            (_, Some(value)) if value.is_empty() && is_global(&long, command) => {
                let prefix = format!("--{long}=");
                tokens.retain(|token| !token.as_encoded_bytes().starts_with(prefix.as_bytes()));
            }
            (_, Some(value)) => {
                let mut token = switch;
                token.push("=");
                token.push(value);
                tokens.push(token);
            }
            (_, None) => return Err(needs_argument(&name, &typed)),
        }
    }
    Ok(tokens)
}

fn is_global(long: &str, command: &Command) -> bool {
    command
        .get_arguments()
        .any(|arg| arg.get_long() == Some(long) && arg.get_help_heading() == Some(help::GLOBAL))
}

fn known_long(name: &FlagName, typed: &str, flags: &Flags) -> Result<String, String> {
    match name {
        FlagName::Long(long) if flags.long.contains_key(long) => Ok(long.clone()),
        FlagName::Long(_) => Err(format!("error: unknown flag: {typed}")),
        FlagName::Short(letter) => flags
            .short
            .get(letter)
            .cloned()
            .ok_or_else(|| format!("error: unknown shorthand flag: '{letter}' in {typed}")),
    }
}

fn needs_argument(name: &FlagName, typed: &str) -> String {
    match name {
        FlagName::Long(_) => format!("error: flag needs an argument: {typed}"),
        FlagName::Short(letter) => format!("error: flag needs an argument: '{letter}' in {typed}"),
    }
}

/// The spellings of Go's `strconv.ParseBool`.
fn parse_bool(value: &OsStr) -> Option<bool> {
    match value.to_str()? {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn bad_bool(value: &OsStr, long: &str, command: &Command) -> String {
    let short = command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(long))
        .and_then(clap::Arg::get_short)
        .map_or(String::new(), |letter| format!("-{letter}, "));
    format!(
        "error: invalid argument {:?} for \"{short}--{long}\" flag: must be true or false",
        value.to_string_lossy()
    )
}
