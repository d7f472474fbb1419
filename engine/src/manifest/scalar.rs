//! Unquoted scalars as kubectl resolves them.
//!
//! kubectl reads YAML 1.1 with the exceptions of its parser, go-yaml v2: sexagesimal numbers and dates stay text, `0o17` is octal although 1.1 does
//! not know it, and `08` is the number 8 because it is no octal but still looks like a float. Numbers then pass through JSON, where `1.0` and `1e3`
//! are the integers 1 and 1000.

use std::borrow::Cow;
use std::str;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Number, Value};

/// What `!!` stands for.
pub(super) const CORE: &str = "tag:yaml.org,2002:";

/// What an unquoted scalar means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    /// Nothing, `~`, `null`.
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// An integer in 64 bits.
    Int(i64),
    /// An integer that needs the 64th bit.
    Unsigned(u64),
    /// A finite number.
    Float(f64),
    /// `.inf`, `-.inf` or `.nan` in canonical spelling, which JSON does not have.
    NotFinite(&'static str),
    /// Anything else.
    Text,
}

/// Resolves an unquoted scalar.
#[inline]
pub(super) fn resolve(text: &str) -> Scalar {
    match text.as_bytes() {
        [] => Scalar::Null,
        [b'0'..=b'9' | b'+' | b'-', ..] => number(text),
        [b'.', ..] => dotted(text),
        // The words have at most five letters, so that nearly all text ends here.
        [
            b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~',
            ..,
        ] if text.len() <= 5 => word(text),
        _ => Scalar::Text,
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        _ => Scalar::Text,
    }
}

fn dotted(text: &str) -> Scalar {
    match text {
        ".inf" | ".Inf" | ".INF" => Scalar::NotFinite(".inf"),
        ".nan" | ".NaN" | ".NAN" => Scalar::NotFinite(".nan"),
        _ => float(text),
    }
}

fn number(text: &str) -> Scalar {
    // The two common cases: a port or a count, and text such as an address, a version or a quantity.
    let bytes = text.as_bytes();
    if bytes.len() <= 18 && bytes[0] != b'0' && bytes.iter().all(u8::is_ascii_digit) {
        return Scalar::Int(
            bytes
                .iter()
                .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')),
        );
    }
    match text {
        "+.inf" | "+.Inf" | "+.INF" => return Scalar::NotFinite(".inf"),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::NotFinite("-.inf"),
        _ => {}
    }
    let plain = if text.contains('_') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    };
    integer(&plain).unwrap_or_else(|| float(&plain))
}

/// Integers with an optional sign in the bases `0x`, `0o`, `0` and `0b`; unsigned ones may use all 64 bits.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // go-yaml's own binary form takes a sign behind the prefix as well.
    if text.starts_with("0b-") || text.starts_with("0b+") {
        return i64::from_str_radix(&text[2..], 2).ok().map(Scalar::Int);
    }
    // The standard parser would accept a second sign.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Scalar::Int(value)),
        Err(_) if text.starts_with('+') => None,
        Err(_) => Some(Scalar::Unsigned(magnitude)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, unless it is too large.
fn float(text: &str) -> Scalar {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if !exponent_fits
        || !digits(whole)
        || !digits(fraction)
        || (whole.is_empty() && fraction.is_empty())
    {
        return Scalar::Text;
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Scalar::Float(value),
        _ => Scalar::Text,
    }
}

impl Scalar {
    /// The value in JSON, `text` being the scalar's text.
    ///
    /// # Errors
    /// JSON has no such value.
    #[inline]
    pub(super) fn value(self, text: Cow<'_, str>) -> Result<Value, String> {
        Ok(match self {
            Self::Text => Value::String(text.into_owned()),
            Self::Int(value) => Value::Number(value.into()),
            Self::Bool(value) => Value::Bool(value),
            Self::Null => Value::Null,
            Self::Unsigned(value) => Value::Number(value.into()),
            Self::Float(value) => Value::Number(json_number(value)),
            Self::NotFinite(name) => {
                return Err(format!(
                    "`{name}` is no number to JSON; quote it if text is meant"
                ));
            }
        })
    }

    /// The scalar as the key of a mapping, `text` being its text.
    ///
    /// # Errors
    /// kubectl accepts no such key.
    #[inline]
    pub(super) fn key(self, text: Cow<'_, str>) -> Result<String, String> {
        Ok(match self {
            Self::Text => text.into_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => float_key(value),
            Self::NotFinite(name) => name.to_owned(),
            Self::Null => return Err("null is no key; quote it if text is meant".to_owned()),
            Self::Unsigned(value) => {
                return Err(format!(
                    "`{value}` is too large for a key; quote it if text is meant"
                ));
            }
        })
    }
}

/// Numbers that Go's JSON writes without point and exponent are integers to whoever reads that.
fn json_number(value: f64) -> Number {
    if let Ok(whole) = value.to_string().parse::<i64>() {
        return whole.into();
    }
    // Scalars hold finite floats only, which are the ones that have a JSON form.
    Number::from_f64(value).unwrap_or_else(|| 0.into())
}

/// Go's shortest form in 32 bits: `1.5`, `1e+06`, `1e-07`.
fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "kubectl truncates as well")]
    let value = value as f32;
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return match scientific.as_str() {
            "-inf" => "-.inf".to_owned(),
            _ => ".inf".to_owned(),
        };
    };
    match exponent.parse::<i32>() {
        Ok(-4..=5) => value.to_string(),
        Ok(exponent) => format!(
            "{digits}e{}{:02}",
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        ),
        Err(_) => scientific,
    }
}

/// The text of a scalar tagged `!!binary`.
///
/// # Errors
/// It is not base64.
pub(super) fn binary(text: &str) -> Result<String, String> {
    let text: String = text.split_ascii_whitespace().collect();
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| "what is tagged `!!binary` is not base64".to_owned())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Resolves a scalar with an explicit tag, in long form (`tag:yaml.org,2002:int`).
///
/// # Errors
/// The text is not of that type.
pub(super) fn tagged(tag: &str, text: &str) -> Result<Scalar, String> {
    let Some(name) = tag.strip_prefix(CORE) else {
        return Ok(Scalar::Text);
    };
    let plain = resolve(text);
    let scalar = match (name, plain) {
        ("int", Scalar::Int(_) | Scalar::Unsigned(_))
        | ("float", Scalar::Int(_) | Scalar::Float(_) | Scalar::NotFinite(_))
        | ("bool", Scalar::Bool(_))
        | ("null", Scalar::Null) => plain,
        ("int" | "float" | "bool" | "null", _) => {
            return Err(format!("`{text}` is tagged `!!{name}` but is none"));
        }
        _ => Scalar::Text,
    };
    Ok(scalar)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        let value = resolve(text).value(text.into());
        value.unwrap_or_else(|error| Value::String(format!("error: {error}")))
    }

    /// Text and what kubectl 1.35's reader (`sigs.k8s.io/yaml` 1.6) makes of it, separated by `;`.
    const ODD: &str = r#"
        y true; Y true; yes true; YES true; yEs "yEs"; on true; On true; True true; TRUE true; tRUE "tRUE"; n false; No false; off false; OFF false;
        oN "oN"; False false; ~ null; null null; Null null; NULL null; nUll "nUll"; ~x "~x"; none "none"; NaN "NaN"; inf "inf"; 0 0; -0 0; +1 1;
        00 0; 0777 511; -0777 -511; +0777 511; 0_7 7; 0o17 15; 0O17 15; 0o8 "0o8"; 08 8; 09.5 9.5; 0x1F 31; 0x "0x"; 0x_1 1; -0x1f -31;
        0b101 5; -0b1 -1; 0b "0b"; 0b2 "0b2"; 0b-1 -1; 0b+1 1; 0x1p3 "0x1p3"; 0x10000000000000000 "0x10000000000000000"; 1_000 1000;
        1__0_ 10; _1 "_1"; 1._5 1.5; 1e3 1000; 1E3 1000; 12e03 12000; 1.5e+3 1500; 1.e3 1000; 1e "1e"; 1e+ "1e+"; 1e1_0 10000000000; 1.0 1;
        0. 0; 5. 5; .5 0.5; -.5 -0.5; +.5 0.5; .5e3 500; .5e ".5e"; . "."; ._5 "._5"; ..5 "..5"; -0.0 0; 0.1 0.1; 1e-7 1e-7; 1e-400 0;
        1e999 "1e999"; 1e20 1e20; 1.2e3.4 "1.2e3.4"; 0e0 0; 00.5 0.5; 9223372036854775807 9223372036854775807;
        9223372036854775808 9223372036854775808; 18446744073709551615 18446744073709551615; +9223372036854775808 9223372036854775808.0;
        -9223372036854775808 -9223372036854775808; -9223372036854775809 -9223372036854775808.0; 99999999999999999999 1e20;
        0x8000000000000000 9223372036854775808; 1:30 "1:30"; 190:20:30 "190:20:30"; 2001-01-01 "2001-01-01"; 1.2.3 "1.2.3";
        10.0.0.0/8 "10.0.0.0/8"; 100m "100m"; 128Mi "128Mi"; - "-"; + "+"; --1 "--1"; +-1 "+-1"; 1- "1-"; << "<<"; = "="; ٣ "٣"
    "#;

    #[test]
    fn odd_scalars() {
        for pair in ODD.split(';') {
            let (text, json) = pair.trim().split_once(' ').unwrap();
            let expected: Value = serde_json::from_str(json).unwrap();
            assert_eq!(value(text), expected, "{text:?}");
        }
        assert_eq!(value(""), Value::Null);
        assert_eq!(value("2001-1-1 1:2:3"), "2001-1-1 1:2:3");
    }

    #[test]
    fn numbers_that_json_has_not() {
        for text in [".inf", "-.Inf", "+.INF", ".nan", ".NaN"] {
            assert!(resolve(text).value(text.into()).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_text() {
        let table = "n false; y true; 1 1; 0777 511; 0x1F 31; 1.5 1.5; 1e3 1000; 1e5 100000; 1e6 1e+06; 1234567.0 1.234567e+06; 1e21 1e+21; \
            0.1 0.1; 0.0001 0.0001; 0.00001 1e-05; 1e-7 1e-07; .inf .inf; -.inf -.inf; .NAN .nan; name name; 1.10 1.1; << <<; -1e3 -1000; \
            1e1_0 1e+10";
        for (text, key) in table.split("; ").filter_map(|pair| pair.split_once(' ')) {
            assert_eq!(
                resolve(text).key(text.into()).as_deref(),
                Ok(key),
                "{text:?}"
            );
        }
        for text in ["", "~", "null", "18446744073709551615"] {
            assert!(resolve(text).key(text.into()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn tags() {
        let long = |name: &str| format!("{CORE}{name}");
        assert_eq!(tagged(&long("str"), "5"), Ok(Scalar::Text));
        assert_eq!(tagged(&long("int"), "5"), Ok(Scalar::Int(5)));
        assert_eq!(tagged(&long("float"), "5"), Ok(Scalar::Int(5)));
        assert_eq!(tagged(&long("bool"), "yes"), Ok(Scalar::Bool(true)));
        assert_eq!(tagged(&long("null"), "~"), Ok(Scalar::Null));
        assert_eq!(tagged(&long("set"), "5"), Ok(Scalar::Text));
        assert_eq!(tagged("!vault", "5"), Ok(Scalar::Text));
        for (name, text) in [
            ("int", "abc"),
            ("int", "5.0"),
            ("bool", "1"),
            ("null", "x"),
            ("float", "x"),
        ] {
            assert!(tagged(&long(name), text).is_err(), "!!{name} {text}");
        }
    }
}
