//! The life of a lab: it starts, is found again, is used, and ends without a trace, however it ends.
//!
//! The tests take turns. Where three nodes would show nothing more, a lab has one, which starts faster.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and one talks to its parent"
)]

#[path = "lab_life/isolation.rs"]
mod isolation;
#[path = "lab_life/trace.rs"]
mod trace;
#[path = "lab_life/usage.rs"]
mod usage;

use std::env;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use netdoctor_lab::image;
use netdoctor_lab::{HostName, Lab, Overlay, ProxyMode, Spec};
use netdoctor_tests::lab_runs_here;

use trace::{Machine, Traces};

const PATIENCE: Duration = Duration::from_mins(1);

/// Names the lab that a copy of this program is to own; see [`owner`].
const OWNER: &str = "NETDOCTOR_TEST_OWNER";

/// One lab at a time: two of them on two cores take more than twice as long. `None` where no lab can run.
fn turn(spec: &Spec) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    lab_runs_here(spec).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

fn small(name: &str) -> Spec {
    let spec = Spec {
        nodes: 1,
        ..Spec::default()
    };
    spec.named(name).unwrap()
}

fn pod(name: &str, node: HostName, arguments: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: {name}}}}}, spec: {{nodeName: {node}, \
         terminationGracePeriodSeconds: 0, containers: [{{name: main, image: '{}', args: {arguments}}}]}}}}",
        image::agnhost()
    )
}

/// Applies a pod and waits until it is Ready.
fn run_pod(lab: &Lab, name: &str, node: HostName, arguments: &str) {
    lab.apply(&pod(name, node, arguments)).unwrap();
    let wait = [
        "wait",
        "--for=condition=Ready",
        "--timeout=60s",
        "pod",
        name,
    ];
    lab.must(&wait, "").unwrap();
}

#[test]
fn a_second_up_finds_the_first_and_down_leaves_nothing() {
    let spec = small("life-up");
    let Some(_turn) = turn(&spec) else { return };
    Lab::down(&spec.name).unwrap();
    let machine = Machine::look();

    // The first value is gone before the second `up`, as it is between two calls of a command line.
    drop(Lab::up(&spec).unwrap());
    let traces = Traces::of(&spec.name);
    traces.assert_alive();
    let lab = Lab::up(&spec).unwrap();
    assert_eq!(traces.init(), Traces::of(&spec.name).init());
    let running = Lab::list().unwrap();
    let running = running.iter().find(|lab| lab.name == spec.name).unwrap();
    assert!(running.alive);
    assert_eq!(running.spec.as_ref(), Some(&spec));
    assert_eq!(running.logs.as_deref(), Some(lab.logs()));

    let other = Spec {
        proxy: ProxyMode::Nftables,
        ..spec.clone()
    };
    let refused = Lab::up(&other).err().unwrap().to_string();
    assert!(refused.contains("--proxy iptables"), "{refused}");
    assert!(Lab::owned(&spec).is_err());

    // What died is started again.
    let node = lab.host(HostName::Node(1));
    node.stop("kube-proxy").unwrap();
    lab.host(HostName::ControlPlane).stop("etcd").unwrap();
    Lab::up(&spec).unwrap();
    assert!(node.runs("kube-proxy").unwrap());
    assert!(lab.kubectl(&["get", "nodes"]).unwrap().ok());

    let logs = lab.logs().to_owned();
    let traces = Traces::of(&spec.name);
    Lab::down(&spec.name).unwrap();
    traces.assert_gone();
    assert!(!logs.exists());
    machine.assert_unchanged();
    // Fine if there is none.
    Lab::down(&spec.name).unwrap();
    assert!(Lab::attach(&spec.name).unwrap().is_none());
}

/// Turns a copy of this program, started by [`start_owner`], into the owner of a lab. Returns at once in the original.
fn owner() {
    let Some(name) = env::var_os(OWNER) else {
        return;
    };
    let _lab = Lab::owned(&small(name.to_str().unwrap())).unwrap();
    println!("\nup");
    // Until it is killed, or until the test that wanted to kill it has failed.
    io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
    panic!("nobody killed this owner");
}

fn start_owner(test: &str, name: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(OWNER, name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn await_line(child: &mut Child, wanted: &str) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    for line in lines {
        let line = line.unwrap();
        if line == wanted {
            return;
        }
        seen.push(line);
    }
    panic!("it ended without `{wanted}`:\n{}", seen.join("\n"));
}

/// Polls until there is no lab of this name, not even a dead one.
fn await_end(name: &str) {
    let start = Instant::now();
    while Lab::list().unwrap().iter().any(|lab| lab.name == name) {
        assert!(start.elapsed() < PATIENCE, "the lab outlives its owner");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_owner_leaves_nothing() {
    owner();
    let spec = small("life-owned");
    let Some(_turn) = turn(&spec) else { return };
    Lab::down(&spec.name).unwrap();
    let machine = Machine::look();
    let mut child = start_owner("a_killed_owner_leaves_nothing", &spec.name);
    await_line(&mut child, "up");
    let traces = Traces::of(&spec.name);
    traces.assert_alive();

    // SIGKILL: nothing of the owner gets to run any more.
    child.kill().unwrap();
    child.wait().unwrap();
    await_end(&spec.name);
    traces.assert_gone();
    // Only the logs stay, for whoever wants to know what was going on.
    Lab::down(&spec.name).unwrap();
    machine.assert_unchanged();
}

#[test]
fn an_up_that_is_killed_half_way_leaves_nothing() {
    owner();
    let spec = small("life-half");
    let Some(_turn) = turn(&spec) else { return };
    Lab::down(&spec.name).unwrap();
    let machine = Machine::look();
    let mut child = start_owner("an_up_that_is_killed_half_way_leaves_nothing", &spec.name);
    // The API server is on its way, pods are not.
    let start = Instant::now();
    while Lab::list().unwrap().is_empty() || Traces::of(&spec.name).processes() < 6 {
        assert!(start.elapsed() < PATIENCE, "the lab does not start");
        thread::sleep(Duration::from_millis(10));
    }
    let traces = Traces::of(&spec.name);
    child.kill().unwrap();
    child.wait().unwrap();
    await_end(&spec.name);
    traces.assert_gone();
    Lab::down(&spec.name).unwrap();
    machine.assert_unchanged();
}

#[test]
fn a_lab_that_died_with_its_guard_does_not_hinder_the_next() {
    let spec = small("life-died");
    let Some(_turn) = turn(&spec) else { return };
    Lab::down(&spec.name).unwrap();
    let machine = Machine::look();
    drop(Lab::up(&spec).unwrap());

    let died = Traces::of(&spec.name);
    // The guard first: with it alive, nothing would be left.
    died.kill_guard();
    died.kill_init();
    died.assert_processes_gone();
    let left = Lab::list().unwrap();
    let left = left.iter().find(|lab| lab.name == spec.name).unwrap();
    assert!(!left.alive, "{left:?}");
    assert!(Lab::attach(&spec.name).unwrap().is_none());

    let lab = Lab::up(&spec).unwrap();
    assert_ne!(died.init(), Traces::of(&spec.name).init());
    assert!(lab.kubectl(&["get", "nodes"]).unwrap().ok());
    let traces = Traces::of(&spec.name);
    traces.kill_guard();
    traces.kill_init();
    Lab::down(&spec.name).unwrap();
    traces.assert_gone();
    died.assert_gone();
    machine.assert_unchanged();
}

#[test]
fn two_labs_do_not_see_each_other() {
    let one = small("life-one");
    let two = Spec {
        overlay: Overlay::HostGw,
        proxy: ProxyMode::Nftables,
        ..small("life-two")
    };
    let Some(_turn) = turn(&one) else { return };
    let first = Lab::owned(&one).unwrap();
    let second = Lab::owned(&two).unwrap();
    // The same addresses, names and ports in both.
    let node = HostName::Node(1);
    run_pod(&first, "web", node, "[netexec, --http-port=80]");
    run_pod(&second, "web", node, "[netexec, --http-port=80]");
    first
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: mark}}")
        .unwrap();
    assert!(first.kubectl(&["get", "configmap", "mark"]).unwrap().ok());
    assert!(!second.kubectl(&["get", "configmap", "mark"]).unwrap().ok());
    assert_eq!(first.containers_of("default", "web").unwrap().len(), 1);

    let traces = Traces::of(&one.name);
    let logs = first.logs().to_owned();
    drop(first);
    traces.assert_gone();
    assert!(
        !logs.exists(),
        "an owned lab that did not fail takes its logs with it"
    );
    second.settle().unwrap();
    let hello = second.pod_exec("default", "web", &["/agnhost", "connect", "10.96.0.1:443"]);
    assert!(hello.unwrap().ok());
}

/// A host cannot be put back into a running lab, so `up` makes all of it anew.
#[test]
fn a_lab_that_lost_a_host_is_made_anew() {
    let spec = small("life-host");
    let Some(_turn) = turn(&spec) else { return };
    Lab::down(&spec.name).unwrap();
    drop(Lab::up(&spec).unwrap());
    let maimed = Traces::of(&spec.name);
    maimed.kill_holder(HostName::Node(1));
    assert!(Lab::attach(&spec.name).unwrap().is_none());
    let running = Lab::list().unwrap();
    assert!(
        running
            .iter()
            .all(|lab| lab.name != spec.name || !lab.alive)
    );

    let lab = Lab::up(&spec).unwrap();
    assert!(lab.kubectl(&["get", "nodes"]).unwrap().ok());
    maimed.assert_processes_gone();
    Lab::down(&spec.name).unwrap();
    maimed.assert_gone();
}

/// One lab for everything that leaves it as it was.
#[test]
fn a_lab_can_be_used() {
    let spec = Spec {
        nodes: 2,
        ..small("life-use")
    };
    let Some(_turn) = turn(&spec) else { return };
    let lab = Lab::owned(&spec).unwrap();
    let node = HostName::Node(2);
    run_pod(&lab, "web", node, "[netexec, --http-port=80]");

    isolation::nothing_reaches_the_machine(&lab);
    usage::the_api_reaches_into_pods(&lab);
    usage::containers_are_found_without_kubelet(&lab, node);
    isolation::hosts_are_private(&lab);
    usage::images_can_be_loaded(&lab);
    usage::a_dead_kubelet_is_noticed(&lab, HostName::Node(1));
    usage::errors_name_the_logs(&lab);
    usage::the_api_server_comes_back(&lab);

    // The errors above have kept the logs.
    drop(lab);
    Lab::down(&spec.name).unwrap();
}
