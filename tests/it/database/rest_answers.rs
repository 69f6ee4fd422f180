//! What a REST catalog may answer, played by a server of a few lines: words that are not a catalog's,
//! listings that break off or go round, one metadata written in two ways.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use frazil::config::Secret;
use frazil::domain::TableName;
use frazil::lake::catalog::rest::{RestCatalog, RestOptions};
use frazil::lake::catalog::{Catalog, Edit, Guard, Pointer, Swap, SwapOutcome};
use frazil::lake::control::Lease;
use frazil::lake::database::MemoryDatabase;
use frazil::lake::refs::Refs;
use frazil::lake::{Error, ErrorKind, Result};
use frazil::seams::{Clock, ManualClock};
use iceberg::spec::TableMetadata;

use super::backend::NOW_MS;
use super::catalog_cases::table;
use super::rest::metadata;

/// A word of the protocol: there is no such table.
fn none() -> Response {
    let error = r#"{"error": {"message": "none", "type": "NoSuchTableException", "code": 404}}"#;
    (StatusCode::NOT_FOUND, error).into_response()
}

/// What something says that knows nothing of tables.
fn lost() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found").into_response()
}

fn json(text: impl Into<String>) -> Response {
    text.into().into_response()
}

#[derive(Clone, Default)]
struct Server {
    loads: Arc<AtomicUsize>,
}

/// By the table's name; its metadata with its members in another order each time.
async fn load(State(server): State<Server>, Path((_, name)): Path<(String, String)>) -> Response {
    let load = server.loads.fetch_add(1, Ordering::SeqCst);
    match name.as_str() {
        "missing" => return none(),
        "lost" => return lost(),
        _ => {}
    }
    let place = if name == "restless" { load } else { 0 };
    let serde_json::Value::Object(members) = serde_json::to_value(&*STORED).unwrap() else {
        panic!("metadata is an object");
    };
    let mut members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{name:?}: {value}"))
        .collect();
    let turn = load % members.len();
    members.rotate_left(turn);
    let members = members.join(", ");
    json(format!(
        r#"{{"metadata-location": "/m/{place}.json", "metadata": {{{members}}}}}"#
    ))
}

/// To "wordy" a refusal that never ends.
async fn commit(Path((_, name)): Path<(String, String)>) -> Response {
    if name != "wordy" {
        return lost();
    }
    let words = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 64 << 10]));
    (StatusCode::CONFLICT, Body::from_stream(words)).into_response()
}

static STORED: LazyLock<TableMetadata> = LazyLock::new(|| metadata("/wh/shop/a"));

async fn tables(Path(namespace): Path<String>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let token = query.strip_prefix("pageToken=").unwrap();
    let page = |name: &str, next: &str| {
        json(format!(
            r#"{{"identifiers": [{{"namespace": ["{namespace}"], "name": "{name}"}}],
            "next-page-token": "{next}"}}"#
        ))
    };
    match (namespace.as_str(), token) {
        ("gone", _) => none(),
        ("lost", _) => lost(),
        (_, "") => page("a", "2"),
        ("whole", "2") => page("b", ""),
        ("broken", "2") => none(),
        ("round", "2") => page("b", "3"),
        ("round", "3") => page("c", "2"),
        _ => panic!("{namespace} {token}"),
    }
}

/// A catalog on such a server, which has these namespaces.
async fn catalog(namespaces: &'static str) -> (RestCatalog, tokio::task::JoinHandle<()>) {
    let config = async || json(r#"{"defaults": {}, "overrides": {}}"#);
    let all = async move || json(format!(r#"{{"namespaces": {namespaces}}}"#));
    let routes = Router::new()
        .route("/v1/config", get(config))
        .route("/v1/namespaces", get(all))
        .route("/v1/namespaces/{namespace}/tables", get(tables))
        .route(
            "/v1/namespaces/{namespace}/tables/{table}",
            get(load).post(commit).delete(async || lost()),
        )
        .route("/v1/tables/rename", post(async || lost()))
        .with_state(Server::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = RestOptions {
        url: format!("http://{}", listener.local_addr().unwrap()),
        ..RestOptions::default()
    };
    let serving = async move { axum::serve(listener, routes).await.unwrap() };
    let serving = tokio::spawn(serving);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW_MS));
    let guards = Arc::new(Away(MemoryDatabase::new(Arc::clone(&clock)).catalog()));
    let catalog = RestCatalog::open(&options, guards, clock).await.unwrap();
    (catalog, serving)
}

/// A control store whose database does not answer about guards.
#[derive(Debug)]
struct Away(Arc<dyn Catalog>);

#[async_trait]
impl Catalog for Away {
    async fn load_all(&self, tables: &[TableName]) -> Result<Vec<Option<Pointer>>> {
        self.0.load_all(tables).await
    }
    async fn list(&self) -> Result<Vec<TableName>> {
        self.0.list().await
    }
    async fn namespaces(&self) -> Result<Vec<String>> {
        self.0.namespaces().await
    }
    async fn create_namespace(&self, namespace: &str) -> Result<()> {
        self.0.create_namespace(namespace).await
    }
    async fn swap(&self, _swaps: &[Swap], _guards: &[Guard]) -> Result<SwapOutcome> {
        Err(Error::unavailable("no answer"))
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn change(name: &str) -> Swap {
    let edit = Edit::new(&STORED, &Refs::new(), Vec::new());
    Swap {
        table: table(name),
        expected: Some("/m/0.json".to_owned()),
        new: Some("/m/0.json".to_owned()),
        edit: Some(edit),
    }
}

#[tokio::test]
async fn a_404_that_is_no_catalogs_does_not_take_a_table_away() {
    let (catalog, serving) = catalog(r#"[["whole"]]"#).await;
    assert!(catalog.load(&table("shop.a")).await.unwrap().is_some());
    assert_eq!(catalog.load(&table("shop.missing")).await.unwrap(), None);
    let error = catalog.load(&table("shop.lost")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("404 page not found"), "{error}");
    // Nor does it say that a change was refused.
    let drop = Swap {
        new: None,
        edit: None,
        ..change("shop.a")
    };
    assert_eq!(
        kind(catalog.swap(&[drop], &[]).await),
        ErrorKind::Unavailable
    );
    let one = [change("shop.a")];
    assert_eq!(kind(catalog.swap(&one, &[]).await), ErrorKind::Unavailable);
    let made = catalog.make(&table("shop.new"), &STORED).await;
    assert_eq!(kind(made), ErrorKind::Unavailable);
    serving.abort();
}

/// A server that lists no endpoints and has no transactions.
#[tokio::test]
async fn a_404_to_a_transaction_over_tables_that_are_there_is_said_as_what_it_is() {
    let (catalog, serving) = catalog("[]").await;
    let both = ["shop.a", "shop.b"].map(change);
    let error = catalog.swap(&both, &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("transactions/commit"), "{error}");
    let gone = ["shop.a", "shop.missing"].map(change);
    let moved = catalog.swap(&gone, &[]).await.unwrap();
    let missing = table("shop.missing");
    assert_eq!(moved, SwapOutcome::Moved(missing));
    let lost = ["shop.a", "shop.lost"].map(change);
    assert_eq!(kind(catalog.swap(&lost, &[]).await), ErrorKind::Unavailable);
    serving.abort();
}

#[tokio::test]
async fn a_part_of_a_listing_is_not_taken_for_the_whole() {
    let (whole, serving) = catalog(r#"[["whole"], ["gone"]]"#).await;
    let listed = whole.list().await.unwrap();
    assert_eq!(listed, ["whole.a", "whole.b"].map(table));
    serving.abort();
    for (namespaces, wanted) in [
        (r#"[["broken"]]"#, ErrorKind::Unavailable),
        (r#"[["lost"]]"#, ErrorKind::Unavailable),
        (r#"[["round"]]"#, ErrorKind::Invalid),
    ] {
        let (catalog, serving) = catalog(namespaces).await;
        assert_eq!(kind(catalog.list().await), wanted, "{namespaces}");
        serving.abort();
    }
}

#[tokio::test]
async fn one_metadata_written_in_two_ways_is_one() {
    let (catalog, serving) = catalog("[]").await;
    let both = ["shop.a", "shop.b"].map(table);
    let seen = catalog.load_all(&both).await.unwrap();
    assert!(seen.iter().all(Option::is_some));
    let restless = ["shop.a", "shop.restless"].map(table);
    let error = catalog.load_all(&restless).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("too fast"), "{error}");
    serving.abort();
}

/// Guards are asked before anything is sent: there is no outcome to look for.
#[tokio::test]
async fn guards_without_an_answer_leave_nothing_open() {
    let (catalog, serving) = catalog("[]").await;
    let guard = Guard::Lease(Lease {
        name: "l".to_owned(),
        holder: "me".to_owned(),
        generation: 1,
        expires_at_ms: NOW_MS,
    });
    let swap = [change("shop.a")];
    assert_eq!(
        kind(catalog.swap(&swap, &[guard]).await),
        ErrorKind::Conflict
    );
    serving.abort();
}

#[tokio::test]
async fn a_refusal_of_many_words_is_a_refusal() {
    let (catalog, serving) = catalog("[]").await;
    let swap = [change("shop.wordy")];
    let moved = SwapOutcome::Moved(table("shop.wordy"));
    assert_eq!(catalog.swap(&swap, &[]).await.unwrap(), moved);
    serving.abort();
}

/// A server of tokens that answers with something else, or too much: said, and not quoted.
#[tokio::test]
async fn what_is_no_token_is_not_shown() {
    let long = r#"{"access_token": "s3cret"}"#.to_owned() + &" ".repeat(300 << 10);
    for answer in [r#""s3cret""#, r#"{"access_token": {"s3cret": 1}}"#, &long] {
        let answer = answer.to_owned();
        let routes = Router::new().route("/t", post(async move || json(answer)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options = RestOptions {
            oauth_server: Some(format!("{url}/t")),
            url,
            credential: Some(Secret::new("id:secret")),
            ..RestOptions::default()
        };
        let serving = async move { axum::serve(listener, routes).await.unwrap() };
        let serving = tokio::spawn(serving);
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW_MS));
        let own = MemoryDatabase::new(Arc::clone(&clock)).catalog();
        let error = RestCatalog::open(&options, own, clock).await.unwrap_err();
        assert!(error.to_string().contains("OAuth2 server"), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        serving.abort();
    }
}
