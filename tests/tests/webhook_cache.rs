//! The caches of the webhook against a real API server: what they hold after it was listed, changed, deleted, taken away,
//! installed later, and while the server itself was gone.

#[path = "webhook_cache/auditor.rs"]
mod auditor;
#[path = "webhook_cache/configuration.rs"]
mod configuration;
#[path = "webhook_cache/watched.rs"]
mod watched;

use netdoctor_engine::model::{Kind, ObjectRef};
use netdoctor_engine::snapshot::{Absence, Snapshot};
use netdoctor_tests::{ApiServer, Fault, FaultProxy, Rule, Rules, Spec};
use netdoctor_webhook::admit::Freshness;
use netdoctor_webhook::cache::State;
use serde_json::json;
use std::time::{Duration, Instant};
use watched::{Watched, quick};

const SHOP: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
";

fn service(snapshot: &Snapshot, namespace: &str) -> Option<i32> {
    let services = snapshot.objects.services.named(namespace, "web");
    Some(services.first()?.ports.first()?.port)
}

#[test]
fn what_is_created_changed_and_deleted_arrives() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    namespace.apply(SHOP);
    let watched = Watched::start(&server.kubeconfig(), [Kind::Service, Kind::Deployment]);
    watched.until("the first lists", |view| {
        service(&view.snapshot, &namespace) == Some(80)
            && !view
                .snapshot
                .objects
                .controllers
                .named(&namespace, "web")
                .is_empty()
    });
    let view = watched.cache.current();
    assert_eq!(view.synced.0[&Kind::Service], Freshness::Fresh);
    assert_eq!(view.snapshot.known(Kind::Service, "anywhere"), Ok(()));
    assert!(
        view.snapshot.known(Kind::Pod, "anywhere").is_err(),
        "nobody asked for pods"
    );

    namespace.apply(&SHOP.replace("port: 80,", "port: 81,"));
    watched.until("the change", |view| {
        service(&view.snapshot, &namespace) == Some(81)
    });
    namespace.kubectl(&["delete", "service", "web"]).ok();
    watched.until("the deletion", |view| {
        service(&view.snapshot, &namespace).is_none()
    });
    assert_eq!(
        service(&view.snapshot, &namespace),
        Some(80),
        "a view never changes"
    );
}

#[test]
fn whoever_catches_up_knows_what_has_just_happened() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    namespace.apply(SHOP);
    // Views are made so seldom that none would come by itself before the test has failed.
    let mut options = quick();
    options.debounce = Duration::from_mins(10);
    let watched = Watched::with(&server.kubeconfig(), [Kind::Service], options);
    let path = format!("/api/v1/namespaces/{namespace}/services/web");
    watched.until("the first list", |_| {
        watched.caught_up();
        service(&watched.cache.current().snapshot, &namespace) == Some(80)
    });
    for port in 81..86 {
        let change = json!({"spec": {"ports": [{"name": "http", "port": port}]}});
        server.rest().merge(&path, &change).expect("an answer");
        watched.caught_up();
        let known = service(&watched.cache.current().snapshot, &namespace);
        assert_eq!(known, Some(port));
    }
}

#[test]
fn a_list_of_many_pages_is_complete() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    let services: Vec<_> = (0..57)
        .map(|number| {
            let metadata = json!({"name": format!("s{number}")});
            let spec = json!({"ports": [{"port": 80}]});
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        })
        .collect();
    let path = format!("/api/v1/namespaces/{namespace}/services");
    server.rest().post_all(&path, &services);
    let mut options = quick();
    options.page_size = 5;
    let watched = Watched::with(&server.kubeconfig(), [Kind::Service], options);
    watched.settled();
    let view = watched.cache.current();
    assert_eq!(
        view.snapshot
            .objects
            .services
            .in_namespace(&namespace)
            .len(),
        57
    );
}

#[test]
fn a_change_has_a_time_and_a_status_is_no_change() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    let before = jiff::Timestamp::now();
    namespace.apply(SHOP);
    let web = ObjectRef::wanted(Kind::Deployment, &namespace, "web");
    let watched = Watched::start(&server.kubeconfig(), [Kind::Deployment]);
    watched.settled();
    let view = watched.cache.current();
    let created = view.changed(&web).expect("it has been listed");
    // The API server's records are in whole seconds.
    assert!(
        created.as_second() >= before.as_second(),
        "{created} {before}"
    );
    assert_eq!(
        view.changed(&ObjectRef::wanted(Kind::Deployment, &namespace, "gone")),
        None
    );

    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
    let status = json!({"status": {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2}});
    server
        .rest()
        .merge(&format!("{path}/status"), &status)
        .expect("an answer")
        .ok();
    let ready = |view: &netdoctor_webhook::cache::View| {
        let found = view.snapshot.objects.controllers.named(&namespace, "web");
        found
            .first()
            .is_some_and(|web| web.status.ready_replicas == 2)
    };
    watched.until("the status", ready);
    assert_eq!(watched.cache.current().changed(&web), Some(created));

    std::thread::sleep(Duration::from_millis(1_100));
    let port = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "web", "image": "web", "ports": [{"name": "htp", "containerPort": 8080}]}
    ]}}}});
    server.rest().merge(&path, &port).expect("an answer").ok();
    watched.until("the change", |view| view.changed(&web) > Some(created));
}

#[test]
fn a_kind_that_is_forbidden_is_unknown_until_it_is_not() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    namespace.apply(SHOP);
    let rules = Rules {
        cluster: "[{apiGroups: [''], resources: [services], verbs: [list, watch]}]",
        namespace: "",
    };
    let kubeconfig = server.kubeconfig_for_service_account(&namespace, "reader", &rules);
    let watched = Watched::start(&kubeconfig, [Kind::Service, Kind::Deployment]);
    watched.settled();
    let view = watched.cache.current();
    assert_eq!(view.snapshot.known(Kind::Service, &namespace), Ok(()));
    assert_eq!(watched.state_of(Kind::Deployment), State::Forbidden);
    let Err(Absence::Unknown(reason)) = view.snapshot.known(Kind::Deployment, &namespace) else {
        panic!("a 403 proves nothing");
    };
    assert!(reason.contains("can-i list deployments.apps"), "{reason}");
    assert!(!view.synced.0.contains_key(&Kind::Deployment));

    let account = format!("--serviceaccount={namespace}:reader");
    server
        .kubectl(&[
            "create",
            "clusterrole",
            &format!("more-{namespace}"),
            "--verb=list,watch",
            "--resource=deployments.apps",
        ])
        .ok();
    server
        .kubectl(&[
            "create",
            "clusterrolebinding",
            &format!("more-{namespace}"),
            &format!("--clusterrole=more-{namespace}"),
            &account,
        ])
        .ok();
    watched.until("the right to be noticed", |view| {
        view.snapshot.known(Kind::Deployment, &namespace) == Ok(())
            && !view
                .snapshot
                .objects
                .controllers
                .named(&namespace, "web")
                .is_empty()
    });
}

const ROUTES: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ingressroutes.traefik.io}
spec:
  group: traefik.io
  scope: Namespaced
  names: {kind: IngressRoute, plural: ingressroutes, singular: ingressroute}
  versions:
    - name: v1alpha1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

#[test]
fn a_custom_resource_may_come_and_go() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let watched = Watched::start(&server.kubeconfig(), [Kind::IngressRoute, Kind::Service]);
    watched.settled();
    assert_eq!(watched.state_of(Kind::IngressRoute), State::Absent);
    let view = watched.cache.current();
    assert_eq!(
        view.snapshot.absence(Kind::IngressRoute, "shop"),
        Absence::NotInstalled
    );
    assert_eq!(
        view.synced.0[&Kind::Service],
        Freshness::Fresh,
        "nothing waits for it"
    );

    server.apply(ROUTES);
    server
        .kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd/ingressroutes.traefik.io",
        ])
        .ok();
    server.apply("{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: web, namespace: default}, spec: {}}");
    watched.until("the route", |view| {
        !view.snapshot.objects.ingress_routes.is_empty()
    });
    server
        .kubectl(&["delete", "crd", "ingressroutes.traefik.io"])
        .ok();
    watched.until("the routes to go with their definition", |view| {
        view.snapshot.objects.ingress_routes.is_empty()
    });
}

#[test]
fn the_cache_answers_while_the_api_server_is_gone_and_comes_back_with_it() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let namespace = server.namespace();
    namespace.apply(SHOP);
    let mut options = quick();
    options.stale_after = Duration::from_secs(4);
    let watched = Watched::with(
        &server.kubeconfig(),
        [Kind::Service, Kind::Deployment],
        options,
    );
    watched.settled();
    server.kill();
    std::thread::sleep(Duration::from_secs(1));
    let view = watched.cache.current();
    assert_eq!(service(&view.snapshot, &namespace), Some(80));
    assert_eq!(
        view.synced.0[&Kind::Service],
        Freshness::Fresh,
        "a short absence is no reason for doubt"
    );

    watched.until("doubt", |view| {
        view.synced.0[&Kind::Service] == Freshness::Stale
    });
    let view = watched.cache.current();
    assert_eq!(
        service(&view.snapshot, &namespace),
        Some(80),
        "old is better than nothing for who looks at it"
    );
    assert!(matches!(
        view.snapshot.known(Kind::Service, &namespace),
        Err(Absence::Unknown(_))
    ));

    server.start_again();
    watched.until("trust", |view| {
        view.synced.0[&Kind::Service] == Freshness::Fresh
    });
    namespace.apply(&SHOP.replace("port: 80,", "port: 81,"));
    watched.until("news", |view| {
        service(&view.snapshot, &namespace) == Some(81)
    });
}

#[test]
fn a_watch_that_is_too_far_behind_lists_again() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    namespace.apply(SHOP);
    let proxy = FaultProxy::start(server);
    proxy.add(Rule::new(Fault::expired()).query("watch=1").times(1));
    let watched = Watched::start(&proxy.kubeconfig(&namespace), [Kind::Service]);
    watched.until("the first list", |view| {
        service(&view.snapshot, &namespace) == Some(80)
    });
    namespace.apply(&SHOP.replace("port: 80,", "port: 82,"));
    watched.until("the second list", |view| {
        service(&view.snapshot, &namespace) == Some(82)
    });
    let lists = |query: &str| {
        let requests = proxy.requests();
        let of_services = requests
            .iter()
            .filter(|request| request.path.ends_with("/services"));
        of_services
            .filter(|request| request.query.contains(query))
            .count()
    };
    assert!(
        lists("limit=") >= 2,
        "listed once before the 410 and once after it"
    );
    assert!(lists("watch=1") >= 2);
    assert_eq!(watched.state_of(Kind::Service), State::Fresh);
}

#[test]
fn what_is_no_longer_needed_is_forgotten() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    namespace.apply(SHOP);
    let watched = Watched::start(&server.kubeconfig(), [Kind::Service, Kind::Deployment]);
    watched.settled();
    watched.watch([Kind::Service]);
    watched.until("Deployments to be forgotten", |view| {
        view.snapshot.objects.controllers.is_empty()
            && view.snapshot.known(Kind::Deployment, &namespace).is_err()
    });
    assert_eq!(
        service(&watched.cache.current().snapshot, &namespace),
        Some(80)
    );
    watched.watch([Kind::Service, Kind::Deployment]);
    watched.until("Deployments to come back", |view| {
        !view
            .snapshot
            .objects
            .controllers
            .named(&namespace, "web")
            .is_empty()
    });
}

#[test]
fn a_storm_of_changes_makes_few_views() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    let mut options = quick();
    options.debounce = Duration::from_millis(500);
    let watched = Watched::with(&server.kubeconfig(), [Kind::ConfigMap], options);
    watched.settled();
    let before = *watched.cache.views().borrow();
    let began = Instant::now();
    let maps: Vec<_> = (0..400)
        .map(|number| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{number}")}}))
        .collect();
    server
        .rest()
        .post_all(&format!("/api/v1/namespaces/{namespace}/configmaps"), &maps);
    watched.until("all of them", |view| {
        view.snapshot
            .objects
            .config_maps
            .in_namespace(&namespace)
            .len()
            >= 400
    });
    let made = *watched.cache.views().borrow() - before;
    let most = began.elapsed().as_millis() / 500 + 1;
    assert!(
        u128::from(made) <= most,
        "{made} views in {:?}",
        began.elapsed()
    );
}
