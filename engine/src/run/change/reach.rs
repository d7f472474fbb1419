//! Who a change can concern beside the object itself: through labels to Services and policies, through names to
//! Ingresses, autoscalers and webhooks, as it was and as it is.

use super::Subject;
use crate::{
    context::{Change, Context},
    model::{
        Controller, CustomResourceDefinition, EndpointSlice, Gateway, Ingress, IngressClass,
        IngressRoute, Kind, Labels, Namespace, Service, WebhookConfiguration, Workload,
        decode::Any,
    },
    policy::concern,
    rule::Rule,
    rules::service::external_name_unusable::followed,
};
use std::collections::BTreeSet;

/// Objects that the rules among `triggered` may judge otherwise after the change. One too many does no harm.
pub(super) fn others<'a>(
    cx: &Context<'a>,
    change: Change<'a>,
    triggered: &[&'static Rule],
) -> Vec<Subject<'a>> {
    let mut found = Found {
        cx,
        triggered,
        subjects: Vec::new(),
    };
    if !triggered.is_empty() && !same_pods(change) {
        for any in change.old.into_iter().chain(change.new) {
            found.about(any);
        }
    }
    found.subjects
}

/// Whether a workload still makes the same pods: nobody who looks at pods can tell the difference.
fn same_pods(change: Change<'_>) -> bool {
    match (change.old, change.new) {
        (Some(Any::Controller(old)), Some(Any::Controller(new))) => {
            old.template == new.template
                && old.further_labels == new.further_labels
                && (old.wanted_replicas() == Some(0)) == (new.wanted_replicas() == Some(0))
        }
        _ => false,
    }
}

struct Found<'c, 'a> {
    cx: &'c Context<'a>,
    triggered: &'c [&'static Rule],
    subjects: Vec<Subject<'a>>,
}

impl<'a> Found<'_, 'a> {
    /// Whether any of the rules judges objects of the kind.
    fn asks(&self, kind: Kind) -> bool {
        let mut checks = self.triggered.iter().flat_map(|rule| rule.on);
        checks.any(|check| check.kinds().contains(&kind))
    }

    fn add<T>(
        &mut self,
        objects: impl IntoIterator<Item = &'a T>,
        subject: fn(&'a T) -> Subject<'a>,
    ) {
        self.subjects.extend(objects.into_iter().map(subject));
    }

    fn about(&mut self, any: &'a Any) {
        match any {
            Any::Pod(pod) => self.pods(&pod.meta.namespace, &pod.meta.labels),
            Any::Controller(controller) => self.workload(controller),
            Any::Service(service) => self.service(service),
            Any::EndpointSlice(slice) => self.slice(slice),
            Any::IngressClass(class) => self.class(class),
            Any::NetworkPolicy(policy) if self.asks(Kind::NetworkPolicy) => {
                // Policies of a namespace are united: each may have been what admits the traffic of another one's pods.
                let policies = self.cx.in_namespace(&policy.meta.namespace);
                self.add(policies.collect::<Vec<_>>(), Subject::NetworkPolicy);
            }
            Any::Namespace(namespace) => self.namespace(namespace),
            Any::Autoscaler(autoscaler) if self.asks(Kind::Deployment) => {
                let target = &autoscaler.spec.scale_target_ref;
                let namespace = &autoscaler.meta.namespace;
                let controller = self.cx.controller(namespace, &target.kind, &target.name);
                self.add(controller, |c| Subject::Workload(Workload::Controller(c)));
            }
            Any::Secret(secret) => self.secret(&secret.meta.namespace),
            Any::Node(_) if self.asks(Kind::Service) => {
                let services = self.cx.all::<Service>();
                let on_nodes: Vec<&'a Service> = services.filter(|s| s.is_on_nodes()).collect();
                self.add(on_nodes, Subject::Service);
            }
            _ => {}
        }
    }

    fn pods(&mut self, namespace: &str, labels: &Labels) {
        if self.asks(Kind::Service) {
            let services = self.cx.services_selecting(namespace, labels);
            self.add(services, Subject::Service);
        }
        if self.asks(Kind::NetworkPolicy) {
            let policies = concern::with_pods(self.cx, namespace, labels);
            self.add(policies, Subject::NetworkPolicy);
        }
        if self.asks(Kind::IngressClass) {
            let classes: Vec<&'a IngressClass> = self.cx.all().collect();
            self.add(classes, Subject::IngressClass);
        }
    }

    fn workload(&mut self, controller: &'a Controller) {
        for labels in controller.label_sets() {
            self.pods(&controller.meta.namespace, labels);
        }
        if self.asks(Kind::HorizontalPodAutoscaler) {
            let autoscalers = self.cx.autoscalers_of(controller);
            self.add(autoscalers, Subject::Autoscaler);
        }
    }

    fn service(&mut self, service: &'a Service) {
        self.backend(&service.meta.namespace, &service.meta.name);
        if self.asks(Kind::NetworkPolicy) && service.selects_pods() {
            let namespace = &*service.meta.namespace;
            let selected = self.cx.workloads_with(namespace, &service.selector);
            let labels: BTreeSet<&Labels> = selected.iter().map(|w| w.pod_labels()).collect();
            for labels in labels {
                let policies = concern::with_pods(self.cx, namespace, labels);
                self.add(policies, Subject::NetworkPolicy);
            }
        }
        if self.asks(Kind::Service) {
            let (chain, _) = followed(self.cx, service);
            self.add(chain.into_iter().skip(1), Subject::Service);
            for port in service.node_ports() {
                let services = self.cx.services_on_node_port(port);
                self.add(services, Subject::Service);
            }
        }
    }

    /// Who sends requests to a Service by its name.
    fn backend(&mut self, namespace: &str, name: &str) {
        if self.asks(Kind::Ingress) {
            let ingresses = self.cx.ingresses_naming(namespace, name);
            self.add(ingresses, Subject::Ingress);
        }
        if self.asks(Kind::ValidatingWebhookConfiguration) {
            let configurations: Vec<&'a WebhookConfiguration> = self.cx.all().collect();
            self.add(configurations, Subject::WebhookConfiguration);
        }
        if self.asks(Kind::CustomResourceDefinition) {
            let definitions: Vec<&'a CustomResourceDefinition> = self.cx.all().collect();
            self.add(definitions, Subject::CustomResourceDefinition);
        }
    }

    fn slice(&mut self, slice: &'a EndpointSlice) {
        let Some(name) = slice.service_name() else {
            return;
        };
        let namespace = &*slice.meta.namespace;
        self.backend(namespace, name);
        if self.asks(Kind::Service) {
            let services = self.cx.named::<Service>(namespace, name);
            self.add(services, Subject::Service);
        }
    }

    fn class(&mut self, class: &'a IngressClass) {
        if self.asks(Kind::Ingress) {
            let named = self.cx.ingresses_of_class(&class.meta.name);
            self.add(named, Subject::Ingress);
            // Whether there is a default concerns those that name none.
            let classless = self.cx.all::<Ingress>();
            let classless: Vec<&'a Ingress> = classless
                .filter(|ingress| ingress.class_name.is_none())
                .collect();
            self.add(classless, Subject::Ingress);
        }
        if self.asks(Kind::IngressClass) {
            let classes: Vec<&'a IngressClass> = self.cx.all().collect();
            self.add(classes, Subject::IngressClass);
        }
    }

    fn namespace(&mut self, namespace: &'a Namespace) {
        if self.asks(Kind::Service) {
            let services = self.cx.in_namespace::<Service>(&namespace.meta.name);
            self.add(services.collect::<Vec<_>>(), Subject::Service);
        }
        if self.asks(Kind::NetworkPolicy) {
            let policies = concern::with_namespaces(self.cx);
            self.add(policies, Subject::NetworkPolicy);
        }
    }

    /// Gateways may name Secrets of other namespaces.
    fn secret(&mut self, namespace: &str) {
        if self.asks(Kind::Ingress) {
            let ingresses: Vec<&'a Ingress> = self.cx.in_namespace(namespace).collect();
            self.add(ingresses, Subject::Ingress);
        }
        if self.asks(Kind::IngressRoute) {
            let routes: Vec<&'a IngressRoute> = self.cx.in_namespace(namespace).collect();
            self.add(routes, Subject::IngressRoute);
        }
        if self.asks(Kind::Gateway) {
            let gateways: Vec<&'a Gateway> = self.cx.all().collect();
            self.add(gateways, Subject::Gateway);
        }
    }
}
