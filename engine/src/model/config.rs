//! `ConfigMaps` and Secrets, reduced to what may be kept.

use super::{Kind, Mentions, Meta, NetworkSettings, Object, Text};
use crate::cert::CertificateFacts;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A `ConfigMap`: the tokens found in its data, not the data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfigMap {
    /// Metadata.
    pub meta: Meta,
    /// Tokens found in all values.
    pub mentions: Mentions,
    /// What well-known keys say about the cluster's network, if there are any.
    pub network: Option<Box<NetworkSettings>>,
}

impl Object for ConfigMap {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::ConfigMap
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawConfigMap {
    metadata: Meta,
    data: BTreeMap<Text, Option<Text>>,
    /// Only in saved snapshots.
    netdoctor_mentions: Mentions,
    /// Only in saved snapshots.
    netdoctor_network: Option<Box<NetworkSettings>>,
}

impl<'de> Deserialize<'de> for ConfigMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawConfigMap::deserialize(deserializer)?;
        let mentions = Mentions::of(raw.data.values().flatten().map(|value| &**value));
        let values = raw
            .data
            .iter()
            .filter_map(|(key, value)| Some((&**key, value.as_deref()?)));
        let network = NetworkSettings::of(values).map(Box::new);
        Ok(Self {
            meta: raw.metadata,
            mentions: mentions.merged(raw.netdoctor_mentions),
            network: network.or(raw.netdoctor_network),
        })
    }
}

/// A Secret: its type, and for TLS Secrets facts about the certificate. Never the key, never other data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Secret {
    /// Metadata.
    pub meta: Meta,
    /// `type`; empty when only metadata was listed.
    pub type_name: Text,
    /// Facts about `tls.crt`. `None` when the contents were not read.
    pub certificate: Option<Result<Vec<CertificateFacts>, Text>>,
    /// The certificate stands in `stringData`, as people write it.
    pub in_string_data: bool,
}

impl Secret {
    /// JSON pointer to the certificate.
    pub fn certificate_pointer(&self) -> &'static str {
        if self.in_string_data {
            "/stringData/tls.crt"
        } else {
            "/data/tls.crt"
        }
    }
}

impl Object for Secret {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::Secret
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawSecret {
    metadata: Meta,
    #[serde(rename = "type")]
    type_name: Text,
    data: RawTls,
    string_data: RawTls,
    /// Only in saved snapshots.
    netdoctor_certificates: Option<Vec<CertificateFacts>>,
}

/// Only the certificate is decoded; every other key, the private key above all, is skipped unread.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTls {
    #[serde(rename = "tls.crt")]
    certificate: Option<Text>,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawSecret::deserialize(deserializer)?;
        let in_string_data = raw.string_data.certificate.is_some();
        let certificate = if let Some(facts) = raw.netdoctor_certificates {
            Some(Ok(facts))
        } else if &*raw.type_name != "kubernetes.io/tls" {
            None
        } else if let Some(pem) = raw.string_data.certificate {
            Some(crate::cert::from_pem(pem.as_bytes()).map_err(Into::into))
        } else {
            let encoded = raw.data.certificate.filter(|text| !text.is_empty());
            encoded.map(|text| crate::cert::from_base64(&text).map_err(Into::into))
        };
        Ok(Self {
            meta: raw.metadata,
            type_name: raw.type_name,
            certificate,
            in_string_data,
        })
    }
}
