use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn sign() -> impl Strategy<Value = Sign> {
    prop::sample::select(Sign::ALL.to_vec())
}

fn cell() -> impl Strategy<Value = Cell> {
    let signs = vec(sign(), 1..5).prop_map(Cell::Signs);
    let count = (1..=9_u8).prop_flat_map(|tries| (0..=tries, Just(tries)));
    prop_oneof![
        signs,
        count.prop_map(|(worked, tries)| Cell::Count { worked, tries }),
        Just(Cell::UNKNOWN)
    ]
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let set = vec(sign(), 1..4).prop_map(|signs| Signs::of(&signs));
    let set = prop_oneof![3 => set, 1 => Just(Signs::ANY)];
    let count = (1..=9_u8, 0..=9_u8, 0..=9_u8).prop_map(|(tries, a, b)| Pattern::Count {
        low: a.min(b).min(tries),
        high: a.max(b).min(tries),
        tries,
    });
    prop_oneof![
        vec(set, 1..5).prop_map(Pattern::Signs),
        count,
        Just(Pattern::Any)
    ]
}

fn grid<T: std::fmt::Debug + Clone + 'static>(
    cell: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Grid<T>> {
    let cells = vec(cell, COLUMNS.len() * 3);
    cells.prop_map(|cells| {
        let names = ["node-1", "node-2", "node-3"].map(str::to_owned);
        let mut cells = cells.into_iter();
        Grid::from_fn(&names, |_, _| cells.next().unwrap())
    })
}

/// What a cell is once it was written: a cell without any result has one form only.
fn written(cell: Cell) -> Cell {
    if cell.is_unknown() {
        Cell::UNKNOWN
    } else {
        cell
    }
}

proptest! {
    #[test]
    fn a_cell_is_read_as_it_was_written(cell in cell()) {
        prop_assert_eq!(cell.to_string().parse::<Cell>(), Ok(written(cell)));
    }

    #[test]
    fn a_pattern_is_read_as_it_was_written(pattern in pattern()) {
        let again = pattern.to_string().parse::<Pattern>().unwrap();
        prop_assert_eq!(again.to_string(), pattern.to_string());
    }

    #[test]
    fn a_measured_cell_is_what_it_expects(cell in cell(), other in cell()) {
        let exact = Pattern::from(&cell);
        prop_assert!(exact.matches(&cell));
        prop_assert_eq!(exact.matches(&other), written(other.clone()) == written(cell));
    }

    #[test]
    fn a_table_is_read_as_it_was_printed_and_stored(table in grid(cell().prop_map(written))) {
        prop_assert_eq!(Table::parse(&table.to_string()), Ok(table.clone()));
        prop_assert_eq!(Table::from_json(&table.to_json().unwrap()).unwrap(), table);
    }

    #[test]
    fn an_expected_table_is_read_as_it_was_printed(table in grid(pattern())) {
        let again = Expected::parse(&table.to_string()).unwrap();
        prop_assert_eq!(again.to_string(), table.to_string());
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in "[-+xrus>.?*{}/0-9 a-z\n]{0,80}") {
        let _ = text.parse::<Pattern>();
        let _ = text.parse::<Cell>();
        let _ = Expected::parse(&text);
    }
}

fn matches(pattern: &str, cell: &str) -> bool {
    pattern
        .parse::<Pattern>()
        .unwrap()
        .matches(&cell.parse().unwrap())
}

#[test]
fn patterns_mean_what_they_say() {
    assert!(matches("+x", "+x"));
    assert!(!matches("+x", "x+"));
    assert!(!matches("+", "++"), "the number of targets counts");
    assert!(matches("{xu}+", "u+"));
    assert!(!matches("{xu}+", "r+"));
    assert!(matches("?+", ">+"));
    assert!(matches("*", "+++"));
    assert!(matches("*", "."));
    assert!(matches(".", "."));
    assert!(!matches(".", "+"));
    assert!(matches("1-3/4", "3/4"));
    assert!(!matches("1-3/4", "4/4"));
    assert!(!matches("4/4", "4/5"));
    assert!(!matches("+", "4/4"));
}

#[test]
fn what_is_no_pattern_is_refused_with_a_reason() {
    for (text, reason) in [
        ("", "a cell is empty"),
        ("+y", "`y` is no sign; there are + x r u s > and ."),
        ("{x", "a `{` is not closed in `{x`"),
        ("{x}+", "`{x}` needs two signs at least"),
        ("5/4", "`5/4` is no count; it is written 3/4 or 1-3/4"),
        ("3-1/4", "`3-1/4` is no count; it is written 3/4 or 1-3/4"),
        ("0/0", "`0/0` is no count; it is written 3/4 or 1-3/4"),
    ] {
        assert_eq!(text.parse::<Pattern>(), Err(reason.to_owned()), "{text}");
    }
}

/// A table whose cells are `cell`, but for one.
fn table(cell: &str, changed: (&str, &str, &str)) -> String {
    let names = ["node-1", "node-2"].map(str::to_owned);
    let grid: Expected = Grid::from_fn(&names, |row, column| {
        let text = if (row, column.name) == (changed.0, changed.1) {
            changed.2
        } else {
            cell
        };
        text.parse().unwrap()
    });
    grid.to_string()
}

#[test]
fn a_table_is_printed_as_the_measured_vectors_are() {
    let text = table("+", ("node-2", "X", "x+"));
    let lines: Vec<&str> = text.lines().map(|line| &line[..33]).collect();
    assert_eq!(
        lines,
        [
            "          S    X    H   Nl   Nr  ",
            "node-1    +    +    +    +    +  ",
            "node-2    +   x+    +    +    +  "
        ]
    );
}

#[test]
fn differences_name_row_column_and_what_it_means() {
    let expected = Expected::parse(&table("+", ("node-2", "Cl", "{xu}"))).unwrap();
    let measured = Table::parse(&table("+", ("node-1", "S", "x"))).unwrap();
    let differences: Vec<String> = measured
        .differences(&expected)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        differences,
        [
            "node-1 S: expected +, measured x (pod to a pod of the same node, TCP)",
            "node-2 Cl: expected {xu}, measured + (pod to a ClusterIP whose only endpoint is on its own node)"
        ]
    );
}

#[test]
fn rows_that_are_missing_or_surplus_are_differences() {
    let both = table("+", ("node-2", "S", "+"));
    let one: String = both.split_inclusive('\n').take(2).collect();
    let missing = Table::parse(&one)
        .unwrap()
        .differences(&Expected::parse(&both).unwrap());
    assert_eq!(missing.len(), COLUMNS.len());
    let surplus = Table::parse(&both)
        .unwrap()
        .differences(&Expected::parse(&one).unwrap());
    assert_eq!(surplus[0].row, "node-2");
    assert_eq!(surplus.len(), 1);
}

#[test]
fn mistakes_in_a_table_name_line_row_and_column() {
    let good = table("+", ("node-2", "S", "+"));
    let mistake = |text: &str| {
        let mistake = Expected::parse(text).unwrap_err();
        (mistake.line, mistake.message)
    };
    assert_eq!(mistake("\n\n"), (0, "the table is empty".to_owned()));
    assert_eq!(
        mistake(&good.replacen("   X ", "   Y ", 1)),
        (0, "column 2 is `Y` and should be `X`".to_owned())
    );
    let line = good.lines().nth(2).unwrap();
    assert_eq!(
        mistake(&good.replace(line, &line.replacen('+', "#", 1))),
        (
            2,
            "row node-2, column S: `#` is no sign; there are + x r u s > and .".to_owned()
        )
    );
    assert_eq!(
        mistake(&good.replace(line, "node-2 +")),
        (2, format!("row node-2 has 1 cells, not {}", COLUMNS.len()))
    );
    assert_eq!(
        mistake(&good.replace("node-2", "node-1")),
        (2, "row node-1 is there twice".to_owned())
    );
}

#[test]
fn a_stored_table_with_other_columns_is_refused() {
    let table = Table::parse(&table("+", ("node-1", "S", "x"))).unwrap();
    let text = table.to_json().unwrap();
    let error = |text: &str| format!("{:#}", Table::from_json(text).unwrap_err());
    assert_eq!(
        error(&text.replacen("\"S\"", "\"Z\"", 1)),
        "node-1: there is no column `Z`"
    );
    assert_eq!(
        error(&text.replacen("\"S\": \"x\"", "\"S\": \"y\"", 1)),
        "node-1, column S: `y` is no sign; there are + x r u s > and ."
    );
}

#[test]
fn a_healthy_table_depends_on_nodes_and_family() {
    let healthy = |nodes: usize, family| {
        let names = ["node-1", "node-2", "node-3"].map(str::to_owned);
        let table = Expected::healthy(&names[..nodes], family);
        ["S", "X", "Dp", "A", "M"].map(|column| table.cell("node-1", column).unwrap().to_string())
    };
    assert_eq!(healthy(3, Family::V4), ["+", "++", "++", "+", "6/6"]);
    assert_eq!(healthy(2, Family::V4), ["+", "+", "++", "+", "6/6"]);
    assert_eq!(healthy(1, Family::V4), ["+", ".", "+", "+", "6/6"]);
    assert_eq!(healthy(3, Family::V6), ["+", "++", "++", ".", "6/6"]);
}

/// What a function of `probe.sh` prints.
fn shell(command: &str) -> Vec<u8> {
    let functions = include_str!("../../witness/probe.sh");
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{functions}\n{command}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn a_question_over_tcp_is_made_as_dns_wants_it() {
    let mut question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    question.extend(b"\x0akubernetes\x07default\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01");
    let mut message = u16::try_from(question.len())
        .unwrap()
        .to_be_bytes()
        .to_vec();
    message.extend(question);
    assert_eq!(
        shell("question kubernetes.default.svc.cluster.local."),
        message
    );
}

#[test]
fn answers_over_tcp_are_told_apart() {
    let sign = |bytes: &str| String::from_utf8(shell(&format!("dns_answer {bytes}"))).unwrap();
    assert_eq!(sign("00 5b 12 34 85 80 00 01 00 01"), "+\n");
    assert_eq!(sign("00 5b 12 34 85 83 00 01 00 00"), "s\n", "NXDOMAIN");
    assert_eq!(sign("00 5b 12 34 85 82 00 01 00 00"), "s\n", "SERVFAIL");
    assert_eq!(
        sign("00 5b 12 34 85 80 00 01 00 00"),
        "s\n",
        "no such record"
    );
    assert_eq!(sign("00 5b 12"), "x\n", "cut off");
}

#[test]
fn what_agnhost_and_nslookup_say_becomes_a_sign() {
    for (function, said, sign) in [
        ("verdict", "TIMEOUT", "x"),
        ("verdict", "TIMEOUT: read udp: i/o timeout", "x"),
        ("verdict", "REFUSED", "r"),
        ("verdict", "OTHER: dial tcp: connect: no route to host", "u"),
        ("verdict", "sh: agnhost: not found", "."),
        (
            "dns_verdict",
            ";; connection timed out; no servers could be reached",
            "x",
        ),
        ("dns_verdict", "nslookup: read: Connection refused", "r"),
        ("dns_verdict", "nslookup: read: No route to host", "u"),
        (
            "dns_verdict",
            "** server can't find w1.outside.example.: SERVFAIL",
            "s",
        ),
        (
            "dns_verdict",
            "** server can't find nowhere.: NXDOMAIN",
            "s",
        ),
    ] {
        let printed = shell(&format!("{function} \"{said}\""));
        assert_eq!(
            String::from_utf8(printed).unwrap(),
            format!("{sign}\n"),
            "{said}"
        );
    }
}
