//! A fake of the API server: objects in memory, with what the webhook relies on (versions, conflicts, uids, server-side
//! apply to lists with keys, `Date`) and with faults on demand. The real one is tried elsewhere.

use axum::http::{Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// What to do with a request instead of answering it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answer with this status, and do nothing.
    Refuse(u16),
    /// The connection breaks before anything happens.
    Unreachable,
    /// It happens, and the connection breaks before the answer.
    LoseAnswer,
    /// Nothing ever comes back.
    Hang,
}

type Faults = Box<dyn FnMut(&Method, &str) -> Option<Fault> + Send>;
type Visit = Box<dyn FnMut(&mut Store, &Method, &str) + Send>;

/// The objects, by path.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) objects: BTreeMap<String, Value>,
    version: u64,
}

impl Store {
    /// Writes an object as it stands, with a new version.
    pub(crate) fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = format!("uid-{}", self.version).into();
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

/// The fake.
#[derive(Clone)]
pub(crate) struct FakeApi(Arc<Mutex<Inner>>);

struct Inner {
    store: Store,
    now: Box<dyn Fn() -> Timestamp + Send>,
    faults: Option<Faults>,
    before: Option<Visit>,
    requests: Vec<String>,
}

impl FakeApi {
    /// Tells callers this time.
    pub(crate) fn new(now: impl Fn() -> Timestamp + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            store: Store::default(),
            now: Box::new(now),
            faults: None,
            before: None,
            requests: Vec::new(),
        })))
    }

    /// Decides about every request from now on.
    pub(crate) fn faults(
        &self,
        faults: impl FnMut(&Method, &str) -> Option<Fault> + Send + 'static,
    ) {
        self.0.lock().unwrap().faults = Some(Box::new(faults));
    }

    /// No more of them.
    pub(crate) fn heal(&self) {
        let mut inner = self.0.lock().unwrap();
        (inner.faults, inner.before) = (None, None);
    }

    /// Is called before every request: what somebody else does meanwhile.
    pub(crate) fn before(&self, visit: impl FnMut(&mut Store, &Method, &str) + Send + 'static) {
        self.0.lock().unwrap().before = Some(Box::new(visit));
    }

    /// Changes or reads objects behind everybody's back.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.0.lock().unwrap().store)
    }

    /// An object.
    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.with(|store| store.objects.get(path).cloned())
    }

    /// `METHOD path` of every request until now.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.0.lock().unwrap().requests.clone()
    }

    /// Answers a request.
    pub(crate) async fn answer<B>(
        self,
        request: Request<B>,
    ) -> Result<Response<Full<Bytes>>, tower::BoxError>
    where
        B: Body<Data = Bytes, Error: Into<tower::BoxError>>,
    {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(Into::into)?.to_bytes();
        let (method, path) = (parts.method, parts.uri.path().to_owned());
        let Some((status, object, now)) = self.decide(&method, &path, &body)? else {
            return std::future::pending().await;
        };
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now)?;
        Ok(Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::DATE, date)
            .body(Full::from(object.to_string()))?)
    }

    /// Status, object and time; nothing when there is no answer at all.
    fn decide(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<Option<(StatusCode, Value, Timestamp)>, tower::BoxError> {
        let mut inner = self.0.lock().unwrap();
        inner.requests.push(format!("{method} {path}"));
        let fault = inner
            .faults
            .as_mut()
            .and_then(|faults| faults(method, path));
        let now = (inner.now)();
        let (status, object) = match fault {
            Some(Fault::Refuse(code)) => failure(code, "as the test wants it"),
            Some(Fault::Unreachable) => return Err("connection refused".into()),
            Some(Fault::LoseAnswer) => {
                inner.act(method, path, body);
                return Err("connection reset".into());
            }
            Some(Fault::Hang) => return Ok(None),
            None => inner.act(method, path, body),
        };
        Ok(Some((status, object, now)))
    }
}

impl Inner {
    fn act(&mut self, method: &Method, path: &str, body: &Bytes) -> (StatusCode, Value) {
        if let Some(before) = &mut self.before {
            before(&mut self.store, method, path);
        }
        let sent = || serde_json::from_slice::<Value>(body).unwrap();
        match method.as_str() {
            "GET" => match self.store.objects.get(path) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => failure(404, "not found"),
            },
            "POST" => self.create(path, sent()),
            "PUT" => self.replace(path, sent()),
            "PATCH" => self.apply(path, &sent()),
            _ => failure(405, "not here"),
        }
    }

    fn create(&mut self, path: &str, object: Value) -> (StatusCode, Value) {
        let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
        if self.store.objects.contains_key(&path) {
            return failure(409, "already exists");
        }
        (StatusCode::CREATED, self.store.put(&path, object))
    }

    fn replace(&mut self, path: &str, object: Value) -> (StatusCode, Value) {
        let Some(stored) = self.store.objects.get(path) else {
            return failure(404, "not found");
        };
        let version = &object["metadata"]["resourceVersion"];
        assert!(
            version.is_string(),
            "a write without a version would win over anybody's"
        );
        if *version != stored["metadata"]["resourceVersion"] {
            return failure(409, "it has been modified");
        }
        (StatusCode::OK, self.store.put(path, object))
    }

    /// Server-side apply of `webhooks`, a list whose key is `name`.
    fn apply(&mut self, path: &str, sent: &Value) -> (StatusCode, Value) {
        let Some(stored) = self.store.objects.get(path) else {
            let conflict = !sent["metadata"]["uid"].is_null();
            return if conflict {
                failure(409, "uid mismatch")
            } else {
                failure(422, "not valid")
            };
        };
        let mut object = stored.clone();
        for key in ["uid", "resourceVersion"] {
            if !sent["metadata"][key].is_null() && sent["metadata"][key] != stored["metadata"][key]
            {
                return failure(409, "precondition");
            }
        }
        for webhook in sent["webhooks"].as_array().unwrap() {
            let list = object["webhooks"].as_array_mut().unwrap();
            match list
                .iter_mut()
                .find(|stored| stored["name"] == webhook["name"])
            {
                Some(stored) => json_patch::merge(stored, webhook),
                None => return failure(422, "an entry without rules"),
            }
        }
        (StatusCode::OK, self.store.put(path, object))
    }
}

fn failure(code: u16, message: &str) -> (StatusCode, Value) {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        _ => "InternalError",
    };
    let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message});
    (StatusCode::from_u16(code).unwrap(), status)
}
