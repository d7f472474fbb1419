//! The life of a lab: it starts, is found again, is used, and ends without a trace, however it ends.
//!
//! The tests take turns. Where three nodes would show nothing more, a lab has one, which starts faster.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking, and one talks to its parent"
)]

#[path = "lab_life/trace.rs"]
mod trace;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use netdoctor_lab::image::{self, Image};
use netdoctor_lab::network::OUTSIDE_NAME;
use netdoctor_lab::{Host, HostName, Lab, Overlay, ProxyMode, Spec};
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
    // Until it is killed.
    loop {
        thread::park();
    }
}

fn start_owner(test: &str, name: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(OWNER, name)
        .stdin(Stdio::null())
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

    nothing_reaches_the_machine(&lab);
    the_api_reaches_into_pods(&lab);
    containers_are_found_without_kubelet(&lab, node);
    hosts_are_private(&lab);
    images_can_be_loaded(&lab);
    a_dead_kubelet_is_noticed(&lab, HostName::Node(1));
    errors_name_the_logs(&lab);
    the_api_server_comes_back(&lab);
}

/// The network namespaces of the lab hold no interface whose other end is on the machine, and no packet finds a way.
fn nothing_reaches_the_machine(lab: &Lab) {
    let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let listener6 = TcpListener::bind(("::", 0)).ok();
    let mut targets = Vec::new();
    for address in addresses_of_the_machine() {
        let listener = match address {
            IpAddr::V4(_) => Some(&listener),
            IpAddr::V6(_) => listener6.as_ref(),
        };
        let Some(listener) = listener else { continue };
        let target = (address, listener.local_addr().unwrap().port());
        // The test would prove nothing if nobody listened.
        TcpStream::connect_timeout(&target.into(), Duration::from_secs(2)).unwrap();
        targets.push(format!(
            "{}:{}",
            netdoctor_lab::network::in_url(target.0),
            target.1
        ));
    }
    assert!(!targets.is_empty());

    let web = lab.containers_of("default", "web").unwrap().remove(0);
    for target in targets {
        let probe = |mut command: Command| {
            let output = command
                .args(["connect", "--timeout=1s", &target])
                .output()
                .unwrap();
            assert!(!output.status.success(), "{target} answers: {command:?}");
        };
        for host in lab.hosts() {
            probe(lab.host(host).command("agnhost"));
        }
        let on_node = lab.host(web.node);
        probe(on_node.command_in_network_of(&web, "agnhost"));
    }

    let own = fs::read_link("/proc/self/ns/net").unwrap();
    for host in lab.hosts() {
        let links = lab
            .host(host)
            .run("ip -o link; readlink /proc/self/ns/net")
            .unwrap()
            .stdout;
        assert!(!links.contains(own.to_str().unwrap()), "{links}");
    }
    // The end of the lab's world: beyond the switch there is nothing.
    let routes = lab
        .host(HostName::Switch)
        .run("ip route; ip -6 route")
        .unwrap()
        .stdout;
    assert!(!routes.contains("default"), "{routes}");
}

fn addresses_of_the_machine() -> Vec<IpAddr> {
    let output = Command::new("ip").args(["-o", "address"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let addresses = text.lines().filter_map(|line| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| !word.starts_with("inet"));
        let address: IpAddr = words.nth(1)?.split('/').next()?.parse().ok()?;
        // A loopback address means the host that uses it, and one with a zone needs that zone.
        let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        (!address.is_loopback() && !link_local).then_some(address)
    });
    addresses.collect()
}

fn the_api_reaches_into_pods(lab: &Lab) {
    let name = lab.pod_exec("default", "web", &["hostname"]).unwrap();
    assert_eq!((name.code, name.stdout.trim()), (0, "web"));
    let failed = lab
        .pod_exec("default", "web", &["sh", "-c", "exit 7"])
        .unwrap();
    assert_eq!(failed.code, 7);
    let logs = lab.kubectl(&["logs", "web"]).unwrap();
    assert!(logs.stdout.contains("Started HTTP server"), "{logs:?}");
    let outside = lab
        .pod_exec("default", "web", &["nslookup", OUTSIDE_NAME])
        .unwrap();
    assert!(outside.stdout.contains("203.0.113.53"), "{outside:?}");

    // The node's proxy, which is one more way from the API server to a kubelet and a pod.
    let path = "--raw=/api/v1/namespaces/default/pods/web:80/proxy/hostname";
    assert_eq!(lab.must(&["get", path], "").unwrap().stdout, "web");
    assert_eq!(through_a_port_forward(lab), "web");
}

fn through_a_port_forward(lab: &Lab) -> String {
    let script = "
        kubectl port-forward pod/web 8080:80 >/run/forward 2>&1 &
        trap \"kill $!\" EXIT
        until grep -q 127.0.0.1:8080 /run/forward; do sleep 0.1; done
        busybox wget -qO- http://127.0.0.1:8080/hostname
    ";
    let host = lab.host(HostName::ControlPlane);
    host.run(script).unwrap().stdout
}

fn containers_are_found_without_kubelet(lab: &Lab, node: HostName) {
    let host = lab.host(node);
    for component in ["kubelet", "containerd"] {
        host.stop(component).unwrap();
        assert!(!host.runs(component).unwrap());
    }
    let [web] = &lab.containers_of("default", "web").unwrap()[..] else {
        panic!("one container, not {:?}", host.containers());
    };
    assert_eq!((web.node, web.name.as_deref()), (node, Some("main")));
    let sandboxes = host.containers().unwrap();
    assert!(
        sandboxes
            .iter()
            .any(|one| one.pod == "web" && one.name.is_none())
    );

    let inside = host.command_in(web, "/bin/hostname").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&inside.stdout).trim(), "web");
    let address = host
        .command_in_network_of(web, "ip")
        .args(["-br", "-4", "address", "show", "eth0"])
        .output()
        .unwrap();
    let address = String::from_utf8_lossy(&address.stdout).into_owned();
    assert!(address.contains(" 10.244.2."), "{address}");

    host.start("containerd").unwrap();
    host.start("kubelet").unwrap();
    lab.settle().unwrap();
    let name = lab.pod_exec("default", "web", &["hostname"]).unwrap();
    assert_eq!(name.stdout.trim(), "web", "the pod outlived both");
    assert!(host.start("etcd").is_err(), "nodes have no etcd");
}

/// What a fault does to the files and settings of a host stays there.
fn hosts_are_private(lab: &Lab) {
    let (one, two) = (lab.host(HostName::Node(1)), lab.host(HostName::Node(2)));
    let files = [
        "/usr/lib/cni/bridge",
        "/etc/passwd",
        "/etc/kubernetes/kubelet.yaml",
    ];
    for file in files {
        let moved = format!("mv {file} {file}.away");
        one.run(&moved).unwrap();
        assert!(!one.path(file).exists());
        assert!(two.path(file).exists());
        one.run(&format!("mv {file}.away {file}")).unwrap();
        assert!(one.path(file).exists());
    }
    assert!(fs::exists("/usr/lib/cni/bridge").unwrap());
    assert!(!fs::exists("/etc/kubernetes/kubelet.yaml").unwrap());

    let forwarding = |host: Host<'_>| host.run("sysctl -n net.ipv4.ip_forward").unwrap().stdout;
    one.run("sysctl -qw net.ipv4.ip_forward=0; touch /run/mark; hostname")
        .unwrap();
    assert_eq!((&*forwarding(one), &*forwarding(two)), ("0\n", "1\n"));
    assert!(!fs::exists("/run/mark").unwrap());
    assert_eq!(one.run("hostname").unwrap().stdout, "node-1\n");
    one.run("sysctl -qw net.ipv4.ip_forward=1").unwrap();
}

fn images_can_be_loaded(lab: &Lab) {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("greeting.tar");
    let image = Image::new("example.com/greeting:1")
        .busybox()
        .unwrap()
        .text("/greeting", "good day\n")
        .entrypoint(&["/bin/cat", "/greeting"]);
    Image::save(&[image], &archive).unwrap();
    lab.load(&archive).unwrap();
    let run = [
        "run",
        "greeting",
        "--image=example.com/greeting:1",
        "--restart=Never",
    ];
    lab.must(&run, "").unwrap();
    let logs = lab.wait("the greeting", PATIENCE, || {
        let logs = lab.kubectl(&["logs", "greeting"])?.stdout;
        Ok((!logs.is_empty()).then_some(logs))
    });
    assert_eq!(logs.unwrap(), "good day\n");
    fs::write(&archive, "no archive").unwrap();
    assert!(lab.load(&archive).is_err());
}

fn a_dead_kubelet_is_noticed(lab: &Lab, node: HostName) {
    lab.host(node).stop("kubelet").unwrap();
    let path = "-ojsonpath={.status.conditions[?(@.type=='Ready')].status}";
    lab.wait("a node that is not Ready", PATIENCE, || {
        let ready = lab.must(&["get", "node", &node.to_string(), path], "")?;
        Ok((ready.stdout == "Unknown").then_some(()))
    })
    .unwrap();
    lab.host(node).start("kubelet").unwrap();
    lab.settle().unwrap();
}

fn errors_name_the_logs(lab: &Lab) {
    let logs = lab.logs().to_str().unwrap();
    let error = lab
        .host(HostName::Node(1))
        .run("echo well; false")
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("well") && text.contains("node-1") && text.contains(logs),
        "{text}"
    );
    let error = lab.must(&["get", "nothing"], "").unwrap_err().to_string();
    assert!(error.contains(logs), "{error}");
    let error = lab.wait("the end of time", Duration::ZERO, || anyhow::Ok(None::<()>));
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("the end of time") && text.contains(logs),
        "{text}"
    );

    let commands = fs::read_to_string(lab.logs().join("commands.log")).unwrap();
    assert!(commands.contains("echo well; false"));
    for file in [
        "node-1-kubelet.log",
        "control-plane-kube-apiserver.log",
        "internet-web.log",
    ] {
        assert!(
            lab.logs().join(file).metadata().unwrap().len() > 0,
            "{file}"
        );
    }
}

/// Also its watchers: a pod that is created afterwards runs at once.
fn the_api_server_comes_back(lab: &Lab) {
    lab.restart_api_server().unwrap();
    let start = Instant::now();
    run_pod(lab, "late", HostName::Node(1), "[pause]");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        start.elapsed()
    );
}
