//! What is done with a running lab.

use std::fs;
use std::time::{Duration, Instant};

use netdoctor_lab::image::Image;
use netdoctor_lab::network::OUTSIDE_NAME;
use netdoctor_lab::{HostName, Lab};

use super::{PATIENCE, run_pod};

pub(super) fn the_api_reaches_into_pods(lab: &Lab) {
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

pub(super) fn containers_are_found_without_kubelet(lab: &Lab, node: HostName) {
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

pub(super) fn images_can_be_loaded(lab: &Lab) {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("greeting.tar");
    let image = Image::new("example.com/greeting:1")
        .busybox()
        .unwrap()
        .text("/greeting", "good day\n")
        .packed()
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

pub(super) fn a_dead_kubelet_is_noticed(lab: &Lab, node: HostName) {
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

pub(super) fn errors_name_the_logs(lab: &Lab) {
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
pub(super) fn the_api_server_comes_back(lab: &Lab) {
    lab.restart_api_server().unwrap();
    let start = Instant::now();
    run_pod(lab, "late", HostName::Node(1), "[pause]");
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        start.elapsed()
    );
}
