//! Names that were probably meant: what a misspelt name, label value or key stands next to.

/// The one candidate that `wanted` was probably meant to be. `None` when nothing is near, or when two candidates are
/// equally near: a guess between equals helps nobody.
pub fn name<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    match names(wanted, candidates)[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// All candidates that are nearest to `wanted`, each once, sorted. Empty when none is near.
pub fn names<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut best = u8::MAX;
    let mut found: Vec<&'a str> = Vec::new();
    for candidate in candidates {
        let Some(distance) = distance(wanted, candidate) else {
            continue;
        };
        if distance < best {
            best = distance;
            found.clear();
        }
        if distance == best {
            found.push(candidate);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// How far apart two different names are, `None` when they are not near or equal. 0: the same letters, with another
/// case or other separators. Otherwise the number of slips (a wrong, missing, extra or swapped letter): one, or two in
/// words of six letters and more, because short words differ by two letters without having anything in common.
pub fn distance(wanted: &str, candidate: &str) -> Option<u8> {
    if wanted == candidate || wanted.is_empty() || candidate.is_empty() {
        return None;
    }
    let (a, b) = (letters(wanted), letters(candidate));
    if !a.is_empty() && a == b {
        return Some(0);
    }
    let shorter = a.len().min(b.len());
    let most = match shorter {
        0..=2 => return None,
        3..=5 => 1,
        _ => 2,
    };
    // Labels and names have at most 63 letters; anything longer is not worth the table.
    if a.len().abs_diff(b.len()) > most || a.len().max(b.len()) > 256 {
        return None;
    }
    let slips = slips(&a, &b);
    (slips <= most).then(|| u8::try_from(slips).unwrap_or(u8::MAX))
}

fn letters(text: &str) -> Vec<char> {
    text.chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Edit distance with swaps of neighbours (optimal string alignment).
fn slips(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    for (row, letter) in a.iter().enumerate() {
        let mut current = vec![row + 1; width];
        for (column, other) in b.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && *letter == b[column - 1] && a[row - 1] == *other;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before = std::mem::replace(&mut above, current);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_near() {
        for (wanted, meant) in [
            ("fronted", "frontend"),
            ("wbe", "web"),
            ("webb", "web"),
            ("Front_End", "front-end"),
            ("paymnets", "payments"),
        ] {
            assert_eq!(name(wanted, ["unrelated", meant]), Some(meant), "{wanted}");
        }
    }

    #[test]
    fn short_words_and_other_words_are_not() {
        assert_eq!(distance("db", "web"), None);
        assert_eq!(distance("api", "web"), None);
        assert_eq!(distance("redis", "nginx"), None);
        assert_eq!(distance("web", "web"), None);
        assert_eq!(distance("", "a"), None);
        assert_eq!(distance("ä", "é"), None);
    }

    #[test]
    fn case_and_separators_beat_a_slip_and_equals_give_no_name() {
        assert_eq!(name("web-app", ["webapp", "web-apq"]), Some("webapp"));
        assert_eq!(name("cart", ["carts", "card"]), None);
        assert_eq!(names("cart", ["carts", "card", "carts"]), ["card", "carts"]);
    }

    #[test]
    fn a_huge_name_costs_nothing() {
        let long = "x".repeat(100_000);
        assert_eq!(distance(&long, "x"), None);
        assert_eq!(distance(&long, &"y".repeat(100_000)), None);
    }
}
