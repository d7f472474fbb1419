//! Equal label sets and pod specifications are stored once: the pods of a `ReplicaSet` differ in name, node and status
//! only, which is what keeps 150,000 of them small, and what belongs to one program often carries the same labels.

use crate::model::{Labels, PodSpec, decode::Any};
use std::{collections::HashSet, sync::Arc};

#[derive(Debug, Default)]
pub(super) struct Interner {
    labels: HashSet<Labels>,
    specs: HashSet<Arc<PodSpec>>,
    /// How many there were after the last purge.
    kept: usize,
}

/// Below this nothing is worth looking for.
const FEW: usize = 1_000;

impl Interner {
    /// Lets go of what no object holds any more, once that can be half of it.
    pub(super) fn purge(&mut self) {
        if self.len() > 2 * self.kept.max(FEW) {
            self.specs.retain(|spec| Arc::strong_count(spec) > 1);
            self.labels
                .retain(|labels| Arc::strong_count(&labels.0) > 1);
            self.kept = self.len();
        }
    }

    /// How many label sets and specifications it knows.
    pub(super) fn len(&self) -> usize {
        self.labels.len() + self.specs.len()
    }

    pub(super) fn share(&mut self, any: &mut Any) {
        match any {
            Any::Pod(pod) => {
                self.labels(&mut pod.meta.labels);
                self.labels(&mut pod.meta.annotations);
                self.spec(&mut pod.spec);
            }
            Any::Controller(controller) => {
                self.labels(&mut controller.meta.labels);
                if let Some(selector) = &mut controller.selector {
                    self.labels(&mut selector.match_labels);
                }
                self.labels(&mut controller.template.labels);
                self.spec(&mut controller.template.spec);
            }
            Any::Service(service) => {
                self.labels(&mut service.meta.labels);
                self.labels(&mut service.selector);
            }
            Any::Ingress(ingress) => self.labels(&mut ingress.meta.labels),
            _ => {}
        }
    }

    fn labels(&mut self, labels: &mut Labels) {
        if labels.is_empty() {
            return;
        }
        if let Some(known) = self.labels.get(labels) {
            *labels = known.clone();
        } else {
            self.labels.insert(labels.clone());
        }
    }

    fn spec(&mut self, spec: &mut Arc<PodSpec>) {
        if let Some(known) = self.specs.get(spec) {
            *spec = Arc::clone(known);
        } else {
            // The one that is kept holds no room that decoding left.
            *spec = Arc::new((**spec).clone());
            self.specs.insert(Arc::clone(spec));
        }
    }
}
