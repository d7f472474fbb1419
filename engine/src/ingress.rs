//! What is known about ingress controllers: how to recognise their pods, and which Ingresses they take.
//!
//! The API says nothing about who serves an `IngressClass`: `spec.controller` is a name that a program compares with its
//! own. So pods are recognised by image, or by the labels that the projects' own charts set.

use crate::model::{Labels, PodSpec};

/// Which Ingresses without any class a controller takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classless {
    /// None.
    Never,
    /// All, unless this flag restricts it to a class.
    Unless(&'static str),
    /// All, if this flag is set.
    If(&'static str),
    /// Depends on settings that are not read.
    Perhaps,
}

/// An ingress controller.
#[derive(Debug)]
pub struct KnownController {
    /// As people call it.
    pub name: &'static str,
    /// Values of `spec.controller` that it answers to; a trailing `*` stands for any rest.
    pub controllers: &'static [&'static str],
    /// Endings of the image's path, cut at `/` or `-`.
    images: &'static [&'static str],
    /// Values of the labels `app.kubernetes.io/name`, `app`, `k8s-app` or `name`.
    labels: &'static [&'static str],
    /// What it does with Ingresses without a class.
    pub classless: Classless,
    /// Class names that it takes without an `IngressClass` object, because it compares the name alone.
    pub by_name: &'static [&'static str],
}

/// The controllers that are recognised.
pub static KNOWN_CONTROLLERS: &[KnownController] = &[
    // pkg/provider/kubernetes/ingress: a class name must be that of an IngressClass of its controller.
    KnownController {
        name: "Traefik",
        controllers: &["traefik.io/ingress-controller"],
        images: &["traefik", "traefikee", "traefik-hub"],
        labels: &["traefik"],
        classless: Classless::Unless("providers.kubernetesingress.ingressclass"),
        by_name: &[],
    },
    // internal/ingress/controller/store: as above, and nothing without a class unless told so.
    KnownController {
        name: "ingress-nginx",
        controllers: &[
            "k8s.io/ingress-nginx",
            "webapprouting.kubernetes.azure.com/nginx*",
        ],
        images: &[
            "ingress-nginx/controller",
            "ingress-nginx-controller",
            "nginx-ingress-controller",
            "nginx-ingress-controller-amd64",
        ],
        labels: &[
            "ingress-nginx",
            "rke2-ingress-nginx",
            "nginx-ingress-microk8s",
            "nginx-ingress-controller",
        ],
        classless: Classless::If("watch-ingress-without-class"),
        by_name: &[],
    },
    KnownController {
        name: "NGINX Ingress Controller",
        controllers: &["nginx.org/ingress-controller*"],
        images: &[
            "nginx/nginx-ingress",
            "nginx-ic/nginx-plus-ingress",
            "nginx-plus-ingress",
        ],
        labels: &["nginx-ingress"],
        classless: Classless::Never,
        by_name: &[],
    },
    KnownController {
        name: "HAProxy Ingress",
        controllers: &["haproxy-ingress.github.io/controller*"],
        images: &["haproxy-ingress"],
        labels: &["haproxy-ingress"],
        classless: Classless::If("watch-ingress-without-class"),
        by_name: &[],
    },
    KnownController {
        name: "HAProxy Kubernetes Ingress Controller",
        controllers: &["haproxy.org/ingress-controller*"],
        images: &["haproxytech/kubernetes-ingress"],
        labels: &["kubernetes-ingress"],
        classless: Classless::Unless("ingress.class"),
        by_name: &[],
    },
    KnownController {
        name: "Contour",
        controllers: &["projectcontour.io/*"],
        images: &["projectcontour/contour", "bitnami/contour"],
        labels: &["contour"],
        classless: Classless::Unless("ingress-class-name"),
        by_name: &["contour"],
    },
    KnownController {
        name: "Kong",
        controllers: &["ingress-controllers.konghq.com/kong"],
        images: &[
            "kong/kubernetes-ingress-controller",
            "kong-ingress-controller",
        ],
        labels: &["kong"],
        classless: Classless::Perhaps,
        by_name: &["kong"],
    },
    KnownController {
        name: "Istio",
        controllers: &["istio.io/ingress-controller"],
        images: &["istio/pilot"],
        labels: &["istiod"],
        classless: Classless::Perhaps,
        by_name: &[],
    },
    KnownController {
        name: "Cilium",
        controllers: &["cilium.io/ingress-controller"],
        images: &["cilium/operator", "cilium/operator-generic"],
        labels: &["cilium-operator"],
        classless: Classless::Never,
        by_name: &["cilium"],
    },
    KnownController {
        name: "AWS Load Balancer Controller",
        controllers: &["ingress.k8s.aws/alb"],
        images: &["aws-load-balancer-controller", "aws-alb-ingress-controller"],
        labels: &["aws-load-balancer-controller"],
        classless: Classless::Unless("ingress-class"),
        by_name: &[],
    },
    KnownController {
        name: "Tailscale",
        controllers: &["tailscale.com/ts-ingress"],
        images: &["tailscale/k8s-operator"],
        labels: &[],
        classless: Classless::Never,
        by_name: &["tailscale"],
    },
];

/// Controllers that run outside the cluster, or inside the control plane of a provider.
const OUTSIDE: &[&str] = &[
    "eks.amazonaws.com/",
    "networking.gke.io/",
    "k8s.io/ingress-gce",
    "azure/application-gateway",
    "alb.networking.azure.io/",
    "ingress.k8s.alibabacloud/",
    "openshift.io/",
];

/// Whether this controller runs where its pods cannot be seen.
pub fn runs_outside(controller: &str) -> bool {
    OUTSIDE.iter().any(|prefix| controller.starts_with(prefix))
}

/// The controller that answers to a value of `spec.controller`.
pub fn by_controller(controller: &str) -> Option<&'static KnownController> {
    KNOWN_CONTROLLERS.iter().find(|known| {
        known
            .controllers
            .iter()
            .any(|name| match name.strip_suffix('*') {
                Some(prefix) => controller.starts_with(prefix),
                None => *name == controller,
            })
    })
}

/// The controller whose image runs in one of the containers.
pub fn by_image(spec: &PodSpec) -> Option<&'static KnownController> {
    spec.containers.iter().find_map(|container| {
        let path = image_path(&container.image);
        KNOWN_CONTROLLERS
            .iter()
            .find(|known| known.images.iter().any(|ending| ends_with(path, ending)))
    })
}

/// The controller whose chart sets these labels.
pub fn by_labels(labels: &Labels) -> Option<&'static KnownController> {
    let known = ["app.kubernetes.io/name", "app", "k8s-app", "name"]
        .into_iter()
        .filter_map(|key| labels.get(key))
        .find_map(|value| {
            KNOWN_CONTROLLERS
                .iter()
                .find(|known| known.labels.contains(&value))
        })?;
    // The charts give the same name to default backends and to the jobs that make certificates.
    let component = labels
        .get("app.kubernetes.io/component")
        .or_else(|| labels.get("component"));
    component
        .is_none_or(|component| component.contains("controller"))
        .then_some(known)
}

impl KnownController {
    /// The value of `spec.controller` to write for it.
    pub fn controller(&self) -> &'static str {
        self.controllers
            .first()
            .map_or("", |name| name.trim_end_matches(['*', '/']))
    }

    /// Whether pods with these labels and this specification run it.
    pub fn runs_in(&self, labels: &Labels, spec: &PodSpec) -> bool {
        let is_it = |known: &Self| known.name == self.name;
        by_labels(labels).is_some_and(is_it) || by_image(spec).is_some_and(is_it)
    }

    /// Whether it takes Ingresses without a class, given how it was started. `None`: that is not known.
    pub fn takes_classless(&self, spec: &PodSpec) -> Option<bool> {
        let flag = |name: &str| {
            spec.containers
                .iter()
                .any(|container| container.mentions.flag(name))
        };
        match self.classless {
            Classless::Never => Some(false),
            Classless::Unless(name) => Some(!flag(name)),
            Classless::If(name) => Some(flag(name)),
            Classless::Perhaps => None,
        }
    }
}

/// An image reference without tag and digest.
fn image_path(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or(image);
    match path.rsplit_once(':') {
        // A colon before the last slash belongs to the registry's port.
        Some((path, tag)) if !tag.contains('/') => path,
        _ => path,
    }
}

fn ends_with(path: &str, ending: &str) -> bool {
    path.strip_suffix(ending)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with(['/', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Container;

    fn recognised(image: &str, labels: &[(&str, &str)]) -> Option<&'static str> {
        let spec = PodSpec {
            containers: vec![Container {
                image: image.into(),
                ..Container::default()
            }],
            ..PodSpec::default()
        };
        let labels: Labels = labels.iter().copied().collect();
        KNOWN_CONTROLLERS
            .iter()
            .find(|known| known.runs_in(&labels, &spec))
            .map(|known| known.name)
    }

    #[test]
    fn controllers_are_recognised_where_distributions_ship_them() {
        for (image, name) in [
            ("rancher/mirrored-library-traefik:2.10.7", "Traefik"),
            ("docker.io/traefik:v3.1", "Traefik"),
            (
                "registry.k8s.io/ingress-nginx/controller:v1.11.1@sha256:abc",
                "ingress-nginx",
            ),
            (
                "rancher/nginx-ingress-controller:v1.9.6-hardened1",
                "ingress-nginx",
            ),
            (
                "localhost:5000/mirror/ingress-nginx-controller",
                "ingress-nginx",
            ),
            ("ghcr.io/projectcontour/contour:v1.29.0", "Contour"),
            ("nginx/nginx-ingress:3.6.1", "NGINX Ingress Controller"),
        ] {
            assert_eq!(recognised(image, &[]), Some(name), "{image}");
        }
        let chart = [("app.kubernetes.io/name", "traefik")];
        assert_eq!(
            recognised("registry.corp/edge-proxy:1", &chart),
            Some("Traefik")
        );
    }

    #[test]
    fn neighbours_with_similar_names_are_not_controllers() {
        let backend = [
            ("app.kubernetes.io/name", "ingress-nginx"),
            ("app.kubernetes.io/component", "default-backend"),
        ];
        assert_eq!(
            recognised("registry.k8s.io/defaultbackend-amd64:1.5", &backend),
            None
        );
        let balancer = [("app", "svclb-traefik-3f2a")];
        assert_eq!(recognised("rancher/klipper-lb:v0.4.7", &balancer), None);
        assert_eq!(recognised("thomseddon/traefik-forward-auth:2", &[]), None);
        assert_eq!(recognised("traefik/whoami:v1.10", &[]), None);
        assert_eq!(recognised("nginx:1.27", &[]), None);
    }

    #[test]
    fn a_value_of_spec_controller_leads_to_one_of_them() {
        let name = |controller| by_controller(controller).map(|known| known.name);
        assert_eq!(name("traefik.io/ingress-controller"), Some("Traefik"));
        assert_eq!(
            name("projectcontour.io/projectcontour/contour"),
            Some("Contour")
        );
        assert_eq!(name("example.com/ingress-controller"), None);
        assert!(runs_outside("eks.amazonaws.com/alb") && !runs_outside("ingress.k8s.aws/alb"));
    }
}
