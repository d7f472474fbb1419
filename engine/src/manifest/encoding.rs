//! What a manifest file is not: UTF-16, binary.

use super::{Position, Problem, ProblemKind};

/// How far a file is searched for bytes that no text has.
const PROBE: usize = 8 * 1024;

/// Where the text begins: behind the byte order mark, if there is one.
///
/// # Errors
/// The file is not UTF-8 text at all. Single bytes that are not UTF-8 are a matter of their document ([`invalid`]).
pub(super) fn body(text: &[u8]) -> Result<usize, Problem> {
    let probe = &text[..text.len().min(PROBE)];
    let name = match probe {
        [0xEF, 0xBB, 0xBF, ..] => return body(&text[3..]).map(|start| start + 3),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => "UTF-32",
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "UTF-16",
        _ => match probe.iter().position(|byte| *byte == 0) {
            None => return Ok(0),
            Some(_) if alternates(probe) => "UTF-16",
            Some(offset) => return Err(binary(text, offset)),
        },
    };
    Err(whole_file(
        format!("the file is encoded as {name}; manifests are read as UTF-8, so convert it first"),
        Position {
            line: 1,
            column: 1,
            offset: 0,
        },
    ))
}

/// The message for bytes that are not UTF-8.
pub(super) fn invalid(byte: u8) -> String {
    format!(
        "the byte 0x{byte:02X} is not UTF-8; manifests are read as UTF-8, so convert the file first"
    )
}

/// Latin text in UTF-16 has a zero in every second byte.
fn alternates(probe: &[u8]) -> bool {
    let zeros = |skip: usize| {
        probe
            .iter()
            .skip(skip)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let half = probe.len() / 2;
    let (even, odd) = (zeros(0), zeros(1));
    half > 0 && (even == 0 || odd == 0) && even.max(odd) * 10 >= half * 7
}

fn binary(text: &[u8], offset: usize) -> Problem {
    let before = &text[..offset];
    let line = before.split(|byte| *byte == b'\n').count();
    let column = before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count()
        + 1;
    whole_file(
        "the file holds binary data (a zero byte) and is no manifest".to_owned(),
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            offset,
        },
    )
}

fn whole_file(message: String, at: Position) -> Problem {
    Problem {
        kind: ProblemKind::Encoding,
        message,
        at,
        pointer: None,
        document: None,
    }
}
