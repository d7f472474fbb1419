//! The objects named on the command line, in kubectl's grammar.

/// One object, or all objects of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The type as typed: singular, plural, short name, with or without group (`deploy.apps`).
    pub(crate) kind: String,
    /// The name; `None` means every object of the type.
    pub(crate) name: Option<String>,
}

const SEPARATE_TYPE: &str = "error: there is no need to specify a resource type as a separate argument when passing \
     arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource \
     resource/<resource_name>'";
const TWO_SLASHES: &str = "error: arguments in resource/name form may not have more than one slash";
const NO_SINGLE_NAME: &str =
    "error: arguments in resource/name form must have a single resource and name";

impl Target {
    /// Takes `TYPE/NAME…`, `TYPE NAME…` or `TYPE1,TYPE2 [NAME…]` apart
    /// (k8s.io/cli-runtime `pkg/resource/builder.go: ResourceTypeOrNameArgs`). The error is kubectl's sentence.
    pub(crate) fn parse_all(words: &[String]) -> Result<Vec<Self>, String> {
        let with_slash = words.iter().filter(|word| word.contains('/')).count();
        if with_slash == 0 {
            return Ok(Self::types_and_names(words));
        }
        if with_slash < words.len() {
            return Err(SEPARATE_TYPE.into());
        }
        words
            .iter()
            .map(|word| Self::type_slash_name(word))
            .collect()
    }

    fn types_and_names(words: &[String]) -> Vec<Self> {
        let Some((types, names)) = words.split_first() else {
            return Vec::new();
        };
        let mut targets = Vec::new();
        for kind in types.split(',').filter(|kind| !kind.is_empty()) {
            if names.is_empty() {
                targets.push(Self {
                    kind: kind.to_owned(),
                    name: None,
                });
            }
            for name in names {
                targets.push(Self {
                    kind: kind.to_owned(),
                    name: Some(name.clone()),
                });
            }
        }
        targets
    }

    fn type_slash_name(word: &str) -> Result<Self, String> {
        let mut parts = word.split('/');
        let (Some(kind), Some(name), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(TWO_SLASHES.into());
        };
        if kind.is_empty() || name.is_empty() || kind.contains(',') {
            return Err(NO_SINGLE_NAME.into());
        }
        Ok(Self {
            kind: kind.to_owned(),
            name: Some(name.to_owned()),
        })
    }
}

/// Command words, for suggestions.
const COMMANDS: [&str; 9] = [
    "check", "lint", "explain", "checks", "bundle", "demo", "version", "options", "help",
];

/// A single word without a command before it is a type, unless it is plainly a command with a slip.
pub(crate) fn refuse_misspelt_command(word: &str) -> Result<(), String> {
    if word.contains(['/', ',', '.']) || word.len() < 3 {
        return Ok(());
    }
    // No type has a name this near to a command; one slip in a short word, two in a long one.
    let near = COMMANDS
        .iter()
        .map(|command| (slips(word, command), *command))
        .filter(|(slips, command)| *slips <= command.len().div_ceil(5).min(2))
        .min();
    match near {
        Some((_, command)) => Err(format!(
            "error: unknown command {word:?}\n\nDid you mean this?\n\t{command}\n"
        )),
        None => Ok(()),
    }
}

/// Edit distance in which swapping two neighbours counts once.
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let show =
            |target: &Target| format!("{}:{}", target.kind, target.name.as_deref().unwrap_or("*"));
        Ok(Target::parse_all(&words)?.iter().map(show).collect())
    }

    #[test]
    fn a23_targets() {
        assert_eq!(parse(&[]).unwrap(), [""; 0]);
        assert_eq!(
            parse(&["deploy/web", "svc/db"]).unwrap(),
            ["deploy:web", "svc:db"]
        );
        assert_eq!(
            parse(&["deploy", "web", "api"]).unwrap(),
            ["deploy:web", "deploy:api"]
        );
        assert_eq!(
            parse(&["deploy,svc", "web"]).unwrap(),
            ["deploy:web", "svc:web"]
        );
        assert_eq!(
            parse(&["deploy.apps,svc"]).unwrap(),
            ["deploy.apps:*", "svc:*"]
        );
    }

    #[test]
    fn a23_kubectl_sentences() {
        for words in [["a/b", "c"], ["a", "b/c"]] {
            assert_eq!(parse(&words).unwrap_err(), SEPARATE_TYPE);
        }
        assert_eq!(parse(&["a/b/c"]).unwrap_err(), TWO_SLASHES);
        for word in ["/web", "svc/", "svc,deploy/web"] {
            assert_eq!(parse(&[word]).unwrap_err(), NO_SINGLE_NAME, "{word}");
        }
    }

    #[test]
    fn misspelt_commands_are_not_types() {
        for (word, meant) in [
            ("lnt", "lint"),
            ("chekc", "check"),
            ("explian", "explain"),
            ("verison", "version"),
        ] {
            let error = refuse_misspelt_command(word).unwrap_err();
            assert!(error.contains(&format!("\t{meant}\n")), "{word}: {error}");
        }
        for word in [
            "pods",
            "po",
            "no",
            "svc",
            "deploy",
            "ingresses",
            "netpol",
            "nodes",
            "ep",
            "jobs",
            "gateway",
        ] {
            assert_eq!(refuse_misspelt_command(word), Ok(()), "{word}");
        }
    }
}
