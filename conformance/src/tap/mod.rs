//! The tap: an HTTP proxy between target and Vault that records the target's requests.
//!
//! It forwards paths byte for byte, so that Vault sees what the target sent.

pub mod fault;
mod longest_wait;
pub mod tls;
mod token_print;

use std::{
    convert::Infallible,
    fmt,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::{either::Either, sync::CancellationToken, task::AbortOnDropHandle};

pub use self::token_print::TokenPrint;
use self::{
    fault::{Fault, FaultAction},
    longest_wait::LongestWait,
    tls::{TlsIdentity, shake_hands},
};
use crate::vault::endpoint::Endpoint;

/// The maximum size of a body.
const MAX_BODY: usize = 64 << 20;
/// The maximum number of requests in the record of one scenario.
const MAX_REQUESTS: usize = 10_000;
/// How many characters of a header's value the record keeps.
const MAX_HEADER: usize = 256;
/// The header that names a namespace of Vault.
pub const NAMESPACE: &str = "x-vault-namespace";
const CORRELATION_ID: &str = "x-correlation-id";
/// The time limit for Vault's answer.
const BUDGET: Duration = Duration::from_secs(60);

/// One request that a target made to Vault, and the status of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When the answer came.
    pub at: Instant,
    /// The HTTP method, which can be `LIST`.
    pub method: Method,
    /// Path and query, as sent.
    pub path: String,
    /// The status of Vault's answer.
    pub status: StatusCode,
    /// The print of the request's token, if it has one.
    pub token: Option<TokenPrint>,
    /// The namespace in the request's header, cut after 256 characters.
    pub namespace: Option<String>,
    /// The request's `X-Correlation-Id`, cut after 256 characters.
    pub correlation_id: Option<String>,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.method, self.path, self.status)?;
        match &self.namespace {
            Some(namespace) => write!(f, ", in the namespace {namespace:?}"),
            None => Ok(()),
        }
    }
}

/// Changes requests and answers between target and tap.
pub trait VaultFilter: Send + Sync {
    /// Changes a request, or answers it instead of Vault.
    fn request(&self, request: &mut Request<Bytes>) -> Option<Response<Bytes>>;
    /// Whether a request is sent twice.
    fn repeats(&self, method: &Method, path: &str) -> bool;
    /// Changes the answer to a request.
    fn response(&self, method: &Method, path: &str, response: &mut Response<Bytes>);
}

/// A running tap.
pub struct Tap {
    address: String,
    vault: Arc<Mutex<Endpoint>>,
    record: Arc<Mutex<Vec<Exchange>>>,
    longest_wait: Arc<LongestWait>,
    faults: Arc<Mutex<Vec<Fault>>>,
    stop: CancellationToken,
    _server: AbortOnDropHandle<()>,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

struct ProxyState {
    vault: Arc<Mutex<Endpoint>>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    record: Arc<Mutex<Vec<Exchange>>>,
    longest_wait: Arc<LongestWait>,
    faults: Arc<Mutex<Vec<Fault>>>,
    filter: Option<Arc<dyn VaultFilter>>,
}

impl Tap {
    /// Listens on a free loopback port and forwards everything to `vault`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(
        vault: &Endpoint,
        filter: Option<Arc<dyn VaultFilter>>,
    ) -> Result<Self, String> {
        Self::start_at(Ipv4Addr::LOCALHOST, vault, filter, None).await
    }

    /// Like [`Tap::start`], but on a free port of another interface of this machine, and with TLS if a front is given.
    ///
    /// # Errors
    /// If it cannot listen, or cannot use the certificate.
    pub async fn start_at(
        interface: Ipv4Addr,
        vault: &Endpoint,
        filter: Option<Arc<dyn VaultFilter>>,
        front: Option<&TlsIdentity>,
    ) -> Result<Self, String> {
        let door = match front {
            Some(front) => Some((front.clone(), front.acceptor()?)),
            None => None,
        };
        let scheme = door.as_ref().map_or("http", |_| "https");
        let listener = TcpListener::bind((interface, 0))
            .await
            .map_err(|error| format!("the tap cannot listen at {interface}: {error}"))?;
        let address = listener
            .local_addr()
            .map_err(|error| format!("the tap cannot listen: {error}"))?;
        let client = Client::builder(TokioExecutor::new()).build(vault.connector());
        let vault = Arc::new(Mutex::new(vault.clone()));
        let (record, faults) = (Arc::default(), Arc::default());
        let longest_wait = Arc::default();
        let passage = Arc::new(ProxyState {
            vault: Arc::clone(&vault),
            client,
            record: Arc::clone(&record),
            longest_wait: Arc::clone(&longest_wait),
            faults: Arc::clone(&faults),
            filter,
        });
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, passage, door, stop.clone()));
        Ok(Self {
            address: format!("{scheme}://{address}"),
            vault,
            record,
            longest_wait,
            faults,
            stop,
            _server: AbortOnDropHandle::new(server),
        })
    }

    /// The address of the tap, as the target's Vault address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Forwards requests from now on to another node of the same cluster, whose certificate is verified in the same way.
    pub fn forward_to(&self, node: &Endpoint) {
        self.vault.lock().clone_from(node);
    }

    /// Clears the record and the faults.
    pub fn forget(&self) {
        self.record.lock().clear();
        self.longest_wait.forget();
        self.faults.lock().clear();
    }

    /// Sets a fault for the next request that matches it.
    pub fn set(&self, fault: Fault) {
        self.faults.lock().push(fault);
    }

    /// Whether a fault still waits for its request.
    #[must_use]
    pub fn has_fault(&self) -> bool {
        !self.faults.lock().is_empty()
    }

    /// How many requests have passed since the record was cleared.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.record.lock().len()
    }

    /// The longest time that Vault took for an answer since the record was cleared, including requests that the target
    /// gave up before Vault answered.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        self.longest_wait.so_far()
    }

    /// The requests since the record was cleared.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.record.lock().clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The TLS part of a tap.
type TlsFront = (TlsIdentity, TlsAcceptor);

async fn serve(
    listener: TcpListener,
    passage: Arc<ProxyState>,
    door: Option<TlsFront>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (passage, door) = (Arc::clone(&passage), door.clone());
                connections.spawn(async move {
                    let stream = match &door {
                        None => Either::Left(stream),
                        Some((_, acceptor)) => match shake_hands(acceptor, stream).await {
                            Some(stream) => Either::Right(stream),
                            None => return,
                        },
                    };
                    let service = service_fn(|request| {
                        if let Some((front, _)) = &door {
                            front.note_request();
                        }
                        let passage = Arc::clone(&passage);
                        async move { Ok::<_, Infallible>(passage.pass(request).await) }
                    });
                    // If a target breaks off its connection, the tap ignores it.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        }
    }
}

impl ProxyState {
    async fn pass(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let passed = tokio::time::timeout(BUDGET, self.try_pass(request)).await;
        let response = match passed {
            Ok(Ok(response)) => response,
            Ok(Err(problem)) => bad_gateway(&problem),
            Err(_) => bad_gateway("Vault did not answer in time"),
        };
        response.map(Full::new)
    }

    async fn try_pass(&self, request: Request<Incoming>) -> Result<Response<Bytes>, String> {
        let (parts, body) = request.into_parts();
        let body = collect(body).await?;
        let mut request = Request::from_parts(parts, body);
        let answered = self
            .filter
            .as_ref()
            .and_then(|filter| filter.request(&mut request));
        let method = request.method().clone();
        let path = request
            .uri()
            .path_and_query()
            .map_or_else(|| request.uri().to_string(), ToString::to_string);
        let mut response = match answered {
            Some(response) => response,
            None => {
                let repeats = self
                    .filter
                    .as_ref()
                    .is_some_and(|f| f.repeats(&method, &path));
                if repeats {
                    self.ask_vault(request.clone(), &path).await?;
                }
                self.ask_vault(request, &path).await?
            }
        };
        if let Some(filter) = &self.filter {
            filter.response(&method, &path, &mut response);
        }
        let length = response.body().len();
        let headers = response.headers_mut();
        headers.remove(header::TRANSFER_ENCODING);
        headers.insert(header::CONTENT_LENGTH, length.into());
        Ok(response)
    }

    async fn ask_vault(
        &self,
        mut request: Request<Bytes>,
        path: &str,
    ) -> Result<Response<Bytes>, String> {
        let exchange = Exchange {
            at: Instant::now(),
            method: request.method().clone(),
            path: path.to_owned(),
            // Replaced when the answer arrives.
            status: StatusCode::BAD_GATEWAY,
            namespace: told(request.headers(), NAMESPACE),
            token: TokenPrint::brought(request.headers()),
            correlation_id: told(request.headers(), CORRELATION_ID),
        };
        match self.fault_for(&exchange.method, path) {
            Some(FaultAction::First(happens)) => happens.await,
            Some(FaultAction::Answer(answer)) => {
                self.note(exchange, answer.status());
                return Ok(*answer);
            }
            None => {}
        }
        let vault = self.vault.lock().clone();
        *request.uri_mut() = Uri::builder()
            .scheme(vault.scheme())
            .authority(vault.authority().clone())
            .path_and_query(path)
            .build()
            .map_err(|error| format!("no address: {error}"))?;
        let length = request.body().len();
        let headers = request.headers_mut();
        headers.remove(header::HOST);
        headers.remove(header::CONNECTION);
        headers.remove(header::TRANSFER_ENCODING);
        headers.insert(header::CONTENT_LENGTH, length.into());
        let _waiting = self.longest_wait.begin();
        let response = self
            .client
            .request(request.map(Full::new))
            .await
            .map_err(|error| format!("Vault did not answer: {error}"))?;
        let (parts, body) = response.into_parts();
        self.note(exchange, parts.status);
        Ok(Response::from_parts(parts, collect(body).await?))
    }

    /// Takes the first fault that matches a request.
    fn fault_for(&self, method: &Method, path: &str) -> Option<FaultAction> {
        let mut faults = self.faults.lock();
        let caught = faults
            .iter()
            .position(|fault| fault.catches(method, path))?;
        Some(faults.remove(caught).action)
    }

    fn note(&self, exchange: Exchange, status: StatusCode) {
        let mut record = self.record.lock();
        if record.len() < MAX_REQUESTS {
            record.push(Exchange {
                at: Instant::now(),
                status,
                ..exchange
            });
        }
    }
}

/// The values of all headers with this name, if there are any.
fn told(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    let all = (!values.is_empty()).then(|| values.join(", "));
    all.map(|all| all.chars().take(MAX_HEADER).collect())
}

async fn collect(body: Incoming) -> Result<Bytes, String> {
    let collected = Limited::new(body, MAX_BODY).collect().await;
    Ok(collected
        .map_err(|error| format!("a body cannot be read: {error}"))?
        .to_bytes())
}

fn bad_gateway(problem: &str) -> Response<Bytes> {
    let body = serde_json::json!({ "errors": [format!("conformance tap: {problem}")] }).to_string();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
