//! How much memory it takes to judge a review, before anything of it is read into memory.
//!
//! An object of three MiB can be a million empty containers, each of which is a thousand bytes in memory. So what counts
//! is not how long a body is but how many values it holds.

/// Memory per value, at most: a container is the largest of the things that lists are made of.
const VALUE: usize = 1 << 10;

/// Bytes that judging a review takes, at most.
pub(super) fn of(review: &[u8]) -> usize {
    values(review).saturating_mul(VALUE)
}

/// How many values there are, at most: a value begins the text, or follows an opening bracket, a comma or a colon, and
/// what follows a colon came after one of the others.
fn values(json: &[u8]) -> usize {
    let mut values = 1;
    let mut rest = json.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'{' | b'[' | b',' => values += 1,
            // What is in a text is no structure.
            b'"' => {
                while let Some(byte) = rest.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = rest.next(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_texts_are_one_each() {
        for (json, count) in [
            ("", 1),
            ("7", 1),
            ("[]", 2),
            ("[1,2,3]", 4),
            (r#"{"a":{"b":[1,{}]},"c":""}"#, 7),
            (r#""{[,\"{[,""#, 1),
            (r#"["\\","]"]"#, 3),
            // What is cut off or no JSON counts as far as it goes.
            (r#"["\"#, 2),
            (r#"{"a"#, 2),
        ] {
            assert_eq!(values(json.as_bytes()), count, "{json}");
        }
    }

    #[test]
    fn no_object_of_a_person_is_too_heavy() {
        let env = r#"{"name":"A_LONG_NAME","value":"and, a [long] value"},"#.repeat(2_000);
        let deployment = format!(
            r#"{{"spec":{{"template":{{"spec":{{"containers":[{{"env":[{env}{{}}]}}]}}}}}}}}"#
        );
        assert!(of(deployment.as_bytes()) < super::super::review::JUDGING / 4);
    }
}
