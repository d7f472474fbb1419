//! The load generator tells the truth: against a server that stalls, fails, falls silent or comes back, and against a real
//! one.

#[path = "load/server.rs"]
mod server;

use netdoctor_tests::ApiServer;
use netdoctor_tests::load::{Action, Load, Plan, Reason, Resource};
use server::{Behaviour, Server};
use std::time::{Duration, Instant};

fn plan() -> Plan {
    Plan {
        rate: Some(200),
        clients: 4,
        namespace: Some("shop".to_owned()),
        ..Plan::default()
    }
}

#[test]
fn a_stall_is_felt_by_all_that_fell_due_in_it() {
    let server = Server::start(Behaviour::Answer);
    let load = |rate| {
        let plan = Plan { rate, ..plan() };
        let load = Load::start(&server.kubeconfig(), plan);
        std::thread::sleep(Duration::from_secs(1));
        server.set(Behaviour::Stall(Instant::now() + Duration::from_secs(1)));
        std::thread::sleep(Duration::from_secs(2));
        server.set(Behaviour::Answer);
        load.stop()
    };
    let open = load(Some(200));
    assert_eq!((open.failures(), open.unanswered), (0, 0), "{open}");
    assert!((550..=650).contains(&open.sent), "{open}");
    // A third of all calls fell due while nobody answered, and waited for what was left of that second.
    assert!(open.latency.p90 > Duration::from_millis(500), "{open}");
    assert!(open.latency.p50 < Duration::from_millis(200), "{open}");

    // Four clients that wait for their answers have four slow calls among thousands, and see nothing: that is why the
    // loop is open.
    let closed = load(None);
    assert!(closed.latency.max > Duration::from_millis(500), "{closed}");
    assert!(closed.latency.p99 < Duration::from_millis(500), "{closed}");
}

#[test]
fn a_success_without_the_warning_is_no_answer() {
    let server = Server::start(Behaviour::Warn("HST004"));
    let expecting = |code: &str| Plan {
        expect: Some(code.to_owned()),
        duration: Some(Duration::from_secs(1)),
        ..plan()
    };
    let heard = Load::start(&server.kubeconfig(), expecting("HST004")).wait();
    assert_eq!(
        (heard.answered, heard.unanswered),
        (heard.sent, 0),
        "{heard}"
    );
    let other = Load::start(&server.kubeconfig(), expecting("SVC019")).wait();
    assert_eq!(
        (other.answered, other.unanswered),
        (0, other.sent),
        "{other}"
    );
    assert_eq!(other.failures(), 0);
    assert_eq!(other.warnings["HST004"], other.sent);
}

#[test]
fn failures_are_told_apart() {
    let server = Server::start(Behaviour::Answer);
    let plan = || Plan {
        timeout: Duration::from_millis(300),
        ..plan()
    };
    let cases = [
        (Behaviour::Status(503), Reason::Server),
        (Behaviour::Status(422), Reason::Client),
        (Behaviour::Deny, Reason::Denied),
        (Behaviour::Hang, Reason::Timeout),
        (Behaviour::Reset, Reason::Broken),
    ];
    let check = |load: Load, reason| {
        std::thread::sleep(Duration::from_millis(700));
        let report = load.stop();
        let count = report.failed.get(&reason);
        assert!(count.is_some_and(|count| *count > 3), "{report}");
        assert!(!report.shown.is_empty() && report.shown.len() <= 5);
        let sum = report.answered + report.unanswered + report.failures();
        assert_eq!(report.sent, sum, "nothing disappears");
    };
    for (behaviour, reason) in cases {
        server.set(Behaviour::Answer);
        let load = Load::start(&server.kubeconfig(), plan());
        server.set(behaviour);
        check(load, reason);
    }
    server.set(Behaviour::Answer);
    let load = Load::start(&server.kubeconfig(), plan());
    drop(server);
    check(load, Reason::Connect);
}

#[test]
fn what_fell_due_while_a_server_was_silent_is_waited_for() {
    let server = Server::start(Behaviour::Answer);
    let load = Load::start(&server.kubeconfig(), plan());
    server.set(Behaviour::Stall(Instant::now() + Duration::from_secs(1)));
    std::thread::sleep(Duration::from_millis(500));
    let report = load.stop();
    assert_eq!(report.failures(), 0, "{report}");
    // Hundred calls were due in half a second, and four clients had sent four of them.
    assert!(report.sent >= 90, "{report}");
    assert!(report.latency.p50 > Duration::from_millis(400), "{report}");
}

#[test]
fn a_patient_client_waits_for_a_server_that_is_away() {
    let server = Server::start(Behaviour::Answer);
    let plan = Plan {
        patience: Some(Duration::from_secs(20)),
        ..plan()
    };
    let load = Load::start(&server.kubeconfig(), plan);
    server.set(Behaviour::Refuse);
    std::thread::sleep(Duration::from_secs(1));
    server.set(Behaviour::Answer);
    std::thread::sleep(Duration::from_secs(1));
    let report = load.stop();
    assert_eq!(report.failures(), 0, "{report}");
    assert!(report.retried >= 4, "{report}");
    assert!(report.latency.max > Duration::from_millis(700), "{report}");
}

#[test]
fn a_plan_that_contradicts_itself_is_refused() {
    let server = Server::start(Behaviour::Answer);
    let refused = |plan| {
        let error = Load::try_start(&server.kubeconfig(), plan).err();
        error.expect("an error").to_string()
    };
    let none = refused(Plan {
        clients: 0,
        ..plan()
    });
    assert!(none.contains("a client"), "{none}");
    let pods = refused(Plan {
        action: Action::Update,
        expect: Some("HST004".to_owned()),
        ..plan()
    });
    assert!(pods.contains("cannot be updated"), "{pods}");
    let nowhere = Load::try_start(std::path::Path::new("/nowhere"), plan()).err();
    assert!(nowhere.expect("an error").to_string().contains("/nowhere"));
}

#[test]
fn a_real_server_takes_every_kind_of_call() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    for resource in [Resource::Pods, Resource::Services, Resource::Deployments] {
        for (action, dry_run) in [
            (Action::Create, true),
            (Action::Create, false),
            (Action::Update, true),
            (Action::Update, false),
        ] {
            let plan = Plan {
                rate: Some(50),
                clients: 5,
                duration: Some(Duration::from_millis(400)),
                resource,
                action,
                dry_run,
                ..Plan::default()
            };
            let report = Load::start(&server.kubeconfig(), plan).wait();
            let what = format!("{resource:?} {action:?} dry run: {dry_run}\n{report}");
            assert_eq!(report.failures(), 0, "{what}");
            assert!(report.answered >= 15, "{what}");
            assert!(
                report.latency.p50 > Duration::ZERO && report.latency.p50 <= report.latency.max
            );
        }
    }
    let left = server
        .rest()
        .get("/api/v1/namespaces")
        .expect("an answer")
        .json();
    let namespaces = left["items"].as_array().into_iter().flatten();
    let left: Vec<_> = namespaces
        .filter(|namespace| {
            let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
            name.starts_with("netdoctor-load-")
                && namespace["metadata"]["deletionTimestamp"].is_null()
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
