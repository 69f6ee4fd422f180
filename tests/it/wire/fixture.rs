//! A server over a lake in memory, with two users and a few tables.

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::*;
use arrow::datatypes::*;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::MemTable;
use frazil::domain::TableName;
use frazil::lake::Lake;
use frazil::lake::catalog::Swap;
use frazil::lake::database::MemoryDatabase;
use frazil::lake::store::Store;
use frazil::query::{Access, Engine, EngineOptions};
use frazil::seams::{OsEntropy, SystemClock};
use frazil::wire::{Server, User, WireOptions, scram, serve};
use iceberg::spec::{
    FormatVersion, NestedField, PrimitiveType, Schema as IcebergSchema, SortOrder, StructType,
    TableMetadataBuilder, Type, UnboundPartitionSpec,
};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;

pub const READER: (&str, &str) = ("ann", "reads a lot");
pub const WRITER: (&str, &str) = ("walt", "writes");

pub struct Wire {
    pub server: Server,
    pub cancel: CancellationToken,
    pub engine: Arc<Engine>,
}

pub async fn wire() -> Wire {
    wire_with(|_| {}).await
}

pub async fn wire_with(change: impl FnOnce(&mut WireOptions)) -> Wire {
    let clock = Arc::new(SystemClock::default());
    let database = MemoryDatabase::new(clock.clone());
    let lake = Lake {
        catalog: database.catalog(),
        control: database.control(),
        store: Store::memory(),
        clock,
        entropy: Arc::new(OsEntropy),
        warehouse: "file:///warehouse".to_owned(),
    };
    make_table(&lake).await;
    let limits = EngineOptions {
        memory_bytes: 256 << 20,
        threads: 2,
        ..EngineOptions::default()
    };
    wire_over(Engine::new(lake, limits).unwrap(), change).await
}

/// A server over somebody's engine.
pub async fn wire_over(engine: Arc<Engine>, change: impl FnOnce(&mut WireOptions)) -> Wire {
    let types = types();
    engine.register_system_table(
        "types",
        Arc::new(MemTable::try_new(types.schema(), vec![vec![types]]).unwrap()),
    );
    let user = |(name, password): (&str, &str), access| User {
        name: name.to_owned(),
        // Few iterations: these tests are not about the cost of guessing.
        verifier: scram::make_verifier(password, b"salt of the tests", 16)
            .parse()
            .unwrap(),
        access,
        statement_timeout: None,
    };
    let mut options = WireOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        users: vec![user(READER, Access::Read), user(WRITER, Access::Write)],
        drain_timeout: Duration::from_secs(2),
        ..WireOptions::default()
    };
    change(&mut options);
    let cancel = CancellationToken::new();
    let server = serve(Arc::clone(&engine), options, cancel.clone())
        .await
        .unwrap();
    Wire {
        server,
        cancel,
        engine,
    }
}

/// `shop.events` with no rows: what clients ask of its columns needs none.
async fn make_table(lake: &Lake) {
    let field = |id, name: &str, kind| Arc::new(NestedField::optional(id, name, kind));
    let schema = IcebergSchema::builder()
        .with_fields([
            Arc::new(NestedField::required(
                1,
                "event_id",
                Type::Primitive(PrimitiveType::String),
            )),
            field(2, "timestamp", Type::Primitive(PrimitiveType::Timestamptz)),
            Arc::new(
                NestedField::optional(
                    3,
                    "amount",
                    Type::Primitive(PrimitiveType::Decimal {
                        precision: 12,
                        scale: 2,
                    }),
                )
                .with_doc("What was paid, tax included"),
            ),
            field(
                4,
                "properties",
                Type::Struct(StructType::new(vec![field(
                    5,
                    "category",
                    Type::Primitive(PrimitiveType::String),
                )])),
            ),
        ])
        .build()
        .unwrap();
    let metadata = TableMetadataBuilder::new(
        schema,
        UnboundPartitionSpec::default(),
        SortOrder::unsorted_order(),
        "file:///warehouse/shop/events".to_owned(),
        FormatVersion::V2,
        Default::default(),
    )
    .unwrap()
    .build()
    .unwrap()
    .metadata;
    let location = "file:///warehouse/shop/events/metadata/0.metadata.json";
    let bytes = serde_json::to_vec(&metadata).unwrap();
    lake.store.write(location, bytes.into()).await.unwrap();
    let swap = Swap {
        table: TableName::new("shop", "events").unwrap(),
        expected: None,
        new: Some(location.to_owned()),
        edit: None,
    };
    lake.catalog.swap(&[swap], &[]).await.unwrap();
}

/// `system.types`: a row of values and a row of NULLs.
fn types() -> RecordBatch {
    let id = uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    let mut list = ListBuilder::new(Int32Builder::new());
    list.values().append_option(Some(1));
    list.values().append_option(None);
    list.append(true);
    list.append(false);
    let group = StructArray::from(vec![(
        Arc::new(Field::new("a", DataType::Int32, true)),
        Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef,
    )]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("i2", Arc::new(Int16Array::from(vec![Some(-2), None]))),
        ("i4", Arc::new(Int32Array::from(vec![Some(4), None]))),
        ("i8", Arc::new(Int64Array::from(vec![Some(1 << 40), None]))),
        ("f4", Arc::new(Float32Array::from(vec![Some(0.5), None]))),
        ("f8", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
        (
            "n",
            Arc::new(
                Decimal128Array::from(vec![Some(10i128.pow(37)), None])
                    .with_precision_and_scale(38, 6)
                    .unwrap(),
            ),
        ),
        ("t", Arc::new(StringArray::from(vec![Some("grüße"), None]))),
        (
            "bytes",
            Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None])),
        ),
        (
            "id",
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    [Some(id.as_bytes()), None].into_iter(),
                    16,
                )
                .unwrap(),
            ),
        ),
        ("d", Arc::new(Date32Array::from(vec![Some(20_000), None]))),
        (
            "ts",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), None])),
        ),
        (
            "tz",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1_782_907_200_000_000), None])
                    .with_timezone("UTC"),
            ),
        ),
        ("list", Arc::new(list.finish())),
        ("json", Arc::new(group)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

impl Wire {
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    pub fn url(&self, (user, password): (&str, &str)) -> String {
        format!(
            "host=127.0.0.1 port={} user={user} password='{password}' dbname=frazil",
            self.port()
        )
    }

    /// A tokio-postgres client; its connection runs by itself.
    pub async fn client(&self) -> Client {
        self.client_of(READER).await
    }

    pub async fn client_of(&self, user: (&str, &str)) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(user), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    /// Runs psql without its start-up file.
    pub async fn psql(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.psql_command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            let _ = stdin.write_all(input.as_bytes()).await;
        });
        tokio::time::timeout(Duration::from_secs(60), child.wait_with_output())
            .await
            .expect("psql ends")
            .unwrap()
    }

    pub fn psql_command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("psql");
        command
            .arg("-X")
            .arg("--no-password")
            .args(["-v", "ON_ERROR_STOP=1"])
            .args(arguments)
            .arg(format!(
                "host=127.0.0.1 port={} user={} dbname=frazil",
                self.port(),
                READER.0
            ))
            .env("PGPASSWORD", READER.1)
            .env_remove("PGOPTIONS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Output of psql commands that must pass.
    pub async fn psql_shows(&self, input: &str) -> String {
        let output = self.psql(&["-At"], input).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{input}: {errors}");
        assert!(!errors.contains("ERROR"), "{input}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The SQLSTATE of an error.
pub fn code(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => error.code().code().to_owned(),
        None => panic!("not from the server: {error}"),
    }
}
