//! The same questions to Frazil and to a real Postgres: numbers, uuids, time zones. Answers must be
//! equal, and so must the SQLSTATEs of errors.

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::fixture::{WRITER, Wire, wire};

/// The rows as text, or the SQLSTATE.
async fn answer(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(messages) => {
            let rows = messages.into_iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(
                    (0..row.len())
                        .map(|column| row.get(column).unwrap_or("∅").to_owned())
                        .collect::<Vec<_>>()
                        .join("|"),
                ),
                _ => None,
            });
            rows.collect::<Vec<_>>().join("; ")
        }
        Err(error) => match error.as_db_error() {
            Some(error) => error.code().code().to_owned(),
            None => panic!("{sql}: {error}"),
        },
    }
}

/// Asks both; tells of every difference at once.
async fn same(wire: &Wire, before: &str, questions: &[&str]) {
    let frazil = wire.client_of(WRITER).await;
    let (postgres, connection) = tokio_postgres::connect(&crate::parts::postgres(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    for client in [&frazil, &postgres] {
        client.batch_execute(before).await.unwrap();
    }
    let mut different = Vec::new();
    for sql in questions {
        let (ours, theirs) = (answer(&frazil, sql).await, answer(&postgres, sql).await);
        if ours != theirs {
            different.push(format!("{sql}\n  frazil   {ours}\n  postgres {theirs}"));
        }
    }
    assert!(different.is_empty(), "\n{}", different.join("\n"));
}

const MAX: &str = "9223372036854775807";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn integers_never_wrap() {
    let wire = wire().await;
    let operators = [
        ("9223372036854775807::bigint + 1::bigint"),
        ("(-9223372036854775808)::bigint - 1::bigint"),
        ("9223372036854775807::bigint * 2::bigint"),
        ("9223372036854775807::bigint + 0::bigint"),
        ("2147483647::int + 1::int"),
        ("(-2147483648)::int - 1::int"),
        ("65536::int * 65536::int"),
        ("32767::smallint + 1::smallint"),
        ("(-32768)::smallint * (-1)::smallint"),
        ("2147483647::int + 1::bigint"),
        ("-((-9223372036854775808)::bigint)"),
        ("-((-2147483648)::int)"),
        ("-((-32768)::smallint)"),
        ("-(5::int)"),
        ("abs((-9223372036854775808)::bigint)"),
        ("abs((-2147483648)::int)"),
        ("abs((-5)::int)"),
        ("(-9223372036854775808)::bigint / (-1)::bigint"),
        ("7::int / 2::int"),
        ("-7::int / 2::int"),
        ("-7::int % 3::int"),
        ("(-9223372036854775808)::bigint % (-1)::bigint"),
        ("(-2147483648)::int % (-1)::int"),
        ("(-32768)::smallint % (-1)::smallint"),
        ("(-9223372036854775808)::bigint % 0::bigint"),
        ("gcd(12::bigint, 18::bigint)"),
        ("gcd((-9223372036854775808)::bigint, 6::bigint)"),
        ("gcd((-9223372036854775808)::bigint, 0::bigint)"),
        ("gcd((-9223372036854775808)::bigint, (-9223372036854775808)::bigint)"),
        ("lcm(4::bigint, 6::bigint)"),
        ("lcm(0::bigint, 6::bigint)"),
        ("lcm(9223372036854775807::bigint, 2::bigint)"),
        ("lcm((-9223372036854775808)::bigint, 1::bigint)"),
        ("factorial(20)"),
        ("factorial(-1)"),
        ("power(10::float8, 308::float8)"),
        ("power(10::float8, 309::float8)"),
        ("power(10::float8, (-400)::float8)"),
        ("power('infinity'::float8, 2::float8)"),
        ("power(0::float8, 2::float8)"),
        ("power(0::float8, (-1)::float8)"),
        ("power((-8)::float8, 0.5::float8)"),
        ("1::int / 0::int"),
        ("null::int + 1::int"),
        ("99999999999::bigint::int"),
        ("40000::int::smallint"),
        ("(-9223372036854775808)::bigint"),
    ];
    let mut questions: Vec<String> = operators.iter().map(|o| format!("select {o}")).collect();
    // The same over rows, where nothing is a constant: in the list, in a filter, in a window.
    for (kind, most) in [
        ("bigint", MAX),
        ("int", "2147483647"),
        ("smallint", "32767"),
    ] {
        let rows = format!("(values ({most}::{kind}), (1::{kind}), (null)) v(x)");
        let least = format!("(values ((-{most})::{kind} - 1::{kind})) v(x)");
        questions.extend([
            format!("select x + 1::{kind} from {rows}"),
            format!("select x - 1::{kind} from {least}"),
            format!("select x * x from {rows}"),
            format!("select -x from {least}"),
            format!("select x % (-1)::{kind} from {least}"),
            format!("select lcm(x::bigint, 9223372036854775806) from {rows} where x > 1"),
            format!("select gcd(x::bigint, x::bigint) from {rows}"),
            format!("select abs(x) from {least}"),
            format!("select count(*) from {rows} where x + x > 0"),
            format!("select x - 1::{kind} from {rows} order by 1"),
            format!("select x + 1::{kind}, count(*) from {rows} where x < 5 group by 1"),
            format!("select max(x + 1::{kind}) from {rows}"),
            format!("select max(x + x) over () from {rows}"),
            format!("select case when x = 1 then x + 1::{kind} end from {rows} order by 1"),
            format!("select a.x from {rows} a join {rows} b on a.x = b.x + 1::{kind}")
                .replace("v(x) a", "a(x)")
                .replace("v(x) b", "b(x)"),
            format!("select (select max(x + x) from {rows})"),
        ]);
    }
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    same(&wire, "select 1", &questions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn sums_and_averages_are_exact() {
    let wire = wire().await;
    let rows = "(values (1, 9223372036854775807::bigint), (1, 1::bigint), (2, 5), (2, null), \
                (3, null)) v(g, x)";
    let small = "(values (1, 2147483647::int), (1, 2147483647::int), (2, 5), (3, null)) v(g, x)";
    let digits = "(values (99999999999999999999999999999999999999::numeric(38,0)), \
                  (99999999999999999999999999999999999999::numeric(38,0))) v(x)";
    let questions = [
        format!("select sum(x) from {rows}"),
        format!("select g, sum(x) from {rows} group by g order by g"),
        format!("select g, sum(x) filter (where x > 4) from {rows} group by g order by g"),
        format!("select sum(distinct x), count(distinct x), count(x), count(*) from {rows}"),
        format!("select sum(x), sum(distinct g::int) from {rows}"),
        format!("select g, sum(distinct x), max(x) from {rows} group by g order by g"),
        format!("select g, sum(x), count(distinct x) from {rows} group by g order by g"),
        format!("select sum(x) over (order by g, x) from {rows} order by 1"),
        format!(
            "select sum(x) over (order by g, x rows between 1 preceding and current row) \
             from {rows} order by 1"
        ),
        format!("select sum(x) over (partition by g) from {rows} order by g, x"),
        format!("select sum(x) over () from {rows}"),
        format!("select sum(-x) from {rows}"),
        format!("select sum(x + 1::bigint) from {rows}"),
        format!("select sum(x) from {rows} where false"),
        format!("select g, sum(x) from {rows} where false group by g"),
        format!("select sum(x), max(x) from {small}"),
        format!("select g, sum(x) from {small} group by g order by g"),
        format!("select sum(x) over (order by g, x) from {small} order by 1"),
        format!("select sum(x) + sum(x) from {small}"),
        "select sum(x::smallint) from (values (32767), (32767)) v(x)".to_owned(),
        "select sum(x), sum(distinct x) from (values (0.5::float8), (0.25::float8), (null)) v(x)"
            .to_owned(),
        "select sum(x), sum(distinct x) from (values (1.50::numeric(10,2)), (2.25::numeric(10,2)), (2.25::numeric(10,2))) v(x)"
            .to_owned(),
        "select sum(x) over (order by x) from (values (1.50::numeric(10,2)), (2.25::numeric(10,2))) v(x)"
            .to_owned(),
        "select sum(null::bigint)".to_owned(),
        format!("select avg(x) > 3074457345618258602 from {rows} where g = 1"),
        format!("select avg(x)::int from {small} where g = 1"),
        "select count(*) over (), count(x) over () from (values (1), (null)) v(x)".to_owned(),
        format!("select count(distinct x) over () from {rows}"),
        format!("select sum(distinct x) over () from {rows}"),
    ];
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    same(&wire, "select 1", &questions).await;
    // The types, where a client sees them.
    let frazil = wire.client().await;
    let sql = "select sum(i2), sum(i4), sum(i8), sum(n), sum(f8), count(*) from system.types";
    let statement = frazil.prepare(sql).await.unwrap();
    let types: Vec<&str> = statement
        .columns()
        .iter()
        .map(|c| c.type_().name())
        .collect();
    assert_eq!(
        types,
        ["int8", "int8", "numeric", "numeric", "float8", "int8"]
    );
    // Postgres has more than 38 digits: here the sum must be refused, never wrapped.
    let client = wire.client().await;
    let sum = format!("select sum(x) from {digits}");
    assert_eq!(answer(&client, &sum).await, "22003");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn casts_round_and_refuse_as_postgres_does() {
    let wire = wire().await;
    let questions = [
        "select 1.5::numeric::int, 2.5::numeric::int, (-1.5)::numeric::int, 2.4::numeric::bigint",
        "select 1.5::float8::int, 2.5::float8::int, (-2.5)::float8::int, 0.1::float8::smallint",
        "select 3e10::float8::int",
        "select 1e30::float8::bigint",
        "select 'NaN'::float8::int",
        "select 40000.5::numeric::smallint",
        "select 1e20::numeric(30,0)::bigint",
        "select 99999999999::bigint::int",
        "select x::int from (values (1.5::float8), (2.5::float8), (3.5::float8)) v(x) order by x",
        "select x::int from (values (1.5::numeric(10,2)), (2.5::numeric(10,2)), ((-0.5)::numeric(10,2))) v(x) order by x",
        "select x from (values (5.40::numeric(10,2)), (4.5::numeric(10,2)), (5.5::numeric(10,2))) v(x) where x::int = 5 order by x",
        "select x from (values (5.40::numeric(10,2)), (4.5::numeric(10,2)), (5.5::numeric(10,2))) v(x) \
         where x::numeric(10,0) = 5 order by x",
        "select x from (values (5.40::float8), (4.5::float8), (5.5::float8)) v(x) where x::int in (4, 5) order by x",
        "select 123.456::numeric(5,1), 123.456::numeric(10,2)",
        "select v.x::int from (values (1.2::float8), (0.9::float8)) v(x) order by v.x desc",
        "select x::int, count(*) from (values (1.2::float8), (0.9::float8)) v(x) group by x::int",
        "select distinct x::int from (values (1.2::float8), (0.9::float8)) v(x) order by x",
        "select 1234.5::numeric(4,1)",
        "select count(*) from (values (timestamp '2026-01-01 12:00')) v(t) \
         where t::date = date '2026-01-01'",
        "select i = '5', i in ('5', '7') from (values (5::int)) v(i)",
        "select i = 'x' from (values (5::int)) v(i)",
        "select n = '1.5' from (values (1.50::numeric(10,2))) v(n)",
        "select d = '2026-01-05' from (values (date '2026-01-05')) v(d)",
    ];
    same(&wire, "select 1", &questions).await;
}

const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn uuids_meet_texts() {
    let wire = wire().await;
    let rows = format!("(values ('{ID}'::uuid), (null)) v(id)");
    let questions = [
        format!("select id from {rows} order by id"),
        format!("select id from {rows} where id = '{ID}'"),
        format!("select id from {rows} where '{}' = id", ID.to_uppercase()),
        format!("select count(*) from {rows} where id <> '{ID}'"),
        format!(
            "select id from {rows} where id in ('{ID}', '{}')",
            ID.replace('0', "1")
        ),
        format!("select count(*) from {rows} where id not in ('{ID}')"),
        format!("select count(*) from {rows} where id > '00000000-0000-0000-0000-000000000000'"),
        format!("select count(*) from {rows} where id between '{ID}' and '{ID}'"),
        format!("select id from {rows} where id = '{ID}'::uuid"),
        format!("select id::text from {rows} where id is not null"),
        format!("select id = ('{ID}'::text)::uuid from {rows} where id is not null"),
        format!("select count(*) from {rows} where id is distinct from '{ID}'"),
        format!("select id from {rows} where id = 'no uuid'"),
        format!("select count(*) from {rows} where id = null"),
        "select 'no uuid'::uuid".to_owned(),
        format!("select case when id = '{ID}' then 'yes' else 'no' end from {rows} order by 1"),
        format!("select count(distinct id) from {rows}"),
    ];
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    same(&wire, "select 1", &questions).await;
}

#[tokio::test]
async fn uuids_as_parameters() {
    let wire = wire().await;
    let client = wire.client().await;
    let id = uuid::Uuid::parse_str(ID).unwrap();
    let bytes = tokio_postgres_uuid(id);
    for sql in [
        "select count(*) from system.types where id = $1",
        "select count(*) from system.types where $1 = id",
        "select count(*) from system.types where id in ($1)",
        "select count(*) from system.types where id = $1::uuid",
        "select count(*) from system.types where id between $1 and $1",
    ] {
        let statement = client.prepare(sql).await.unwrap();
        assert_eq!(statement.params()[0].name(), "uuid", "{sql}");
        let row = client.query_one(&statement, &[&bytes]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1, "{sql}");
    }
    // As clients do that send every text as text.
    let text = tokio_postgres::types::Type::TEXT;
    let sql = "select count(*) from system.types where id = $1 or id in ($1)";
    let statement = client.prepare_typed(sql, &[text]).await.unwrap();
    let row = client.query_one(&statement, &[&ID]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
    let error = client.query_one(&statement, &[&"x"]).await.unwrap_err();
    assert_eq!(super::fixture::code(&error), "22P02");
}

/// A uuid on its way, in binary.
#[derive(Debug)]
struct Id([u8; 16]);

fn tokio_postgres_uuid(id: uuid::Uuid) -> Id {
    Id(id.into_bytes())
}

impl tokio_postgres::types::ToSql for Id {
    fn to_sql(
        &self,
        _: &tokio_postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(tokio_postgres::types::IsNull::No)
    }

    fn accepts(kind: &tokio_postgres::types::Type) -> bool {
        *kind == tokio_postgres::types::Type::UUID
    }

    tokio_postgres::types::to_sql_checked!();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn times_are_of_the_sessions_zone() {
    let wire = wire().await;
    // In Berlin: 23:30 of the day before in UTC, and both sides of a change of the clock.
    let rows = "(values (timestamptz '2026-01-01 00:30:00+01'), \
                (timestamptz '2026-07-01 12:00:00+00'), (timestamptz '2026-10-25 00:30:00+00'), \
                (timestamptz '2026-10-25 01:30:00+00')) v(t)";
    let naive = "(values (timestamp '2026-01-01 00:30:00'), (timestamp '2026-03-29 02:30:00'), \
                 (timestamp '2026-10-25 02:30:00')) v(t)";
    let questions = [
        format!("select t from {rows} order by t"),
        format!("select t from {rows} where t >= '2026-01-01' order by t"),
        format!("select count(*) from {rows} where t < '2026-01-01'"),
        format!("select count(*) from {rows} where '2026-01-01 00:30' = t"),
        format!("select count(*) from {rows} where t between '2026-01-01' and '2026-01-02'"),
        format!("select count(*) from {rows} where t in ('2026-01-01 00:30', '2026-07-01 12:00')"),
        format!("select count(*) from {rows} where t = '2026-01-01 00:30:00+01'"),
        format!("select count(*) from {rows} where t > 'no time'"),
        format!("select count(*) from {rows} where t >= timestamp '2026-01-01 00:30:00'"),
        format!("select count(*) from {rows} where t >= date '2026-01-01'"),
        format!("select t::date from {rows} order by t"),
        format!("select t::timestamp from {rows} order by t"),
        format!("select t::time from {rows} order by t"),
        format!("select date_trunc('day', t) from {rows} order by t"),
        format!("select date_trunc('hour', t), count(*) from {rows} group by 1 order by 1"),
        format!(
            "select extract(hour from t)::int, extract(day from t)::int from {rows} order by t"
        ),
        format!("select date_part('hour', t) from {rows} order by t"),
        format!("select t at time zone 'Asia/Tokyo' from {rows} order by t"),
        format!("select t at time zone 'UTC' from {rows} order by t"),
        format!("select t at time zone 'Asia/Tokyo' from {naive} order by t"),
        format!("select t::timestamptz from {naive} order by t"),
        format!("select count(*) from {naive} where t::timestamptz >= '2026-01-01 00:30'"),
        "select timestamptz '2026-01-01', '2026-07-01 14:00'::timestamptz".to_owned(),
        "select timestamptz '2026-10-25 02:30', timestamptz '2026-03-29 02:30'".to_owned(),
        "select (date '2026-07-01')::timestamptz".to_owned(),
        "select timestamp '2026-07-01 14:00', timestamp '2999-01-01 00:00:00'".to_owned(),
        "select timestamptz '2026-07-01 14:00' at time zone 'Mars'".to_owned(),
        "select 'no time'::timestamptz".to_owned(),
    ];
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    for zone in ["UTC", "Europe/Berlin", "America/New_York"] {
        let before = format!("set timezone = '{zone}'");
        same(&wire, &before, &questions).await;
    }
    let client = wire.client().await;
    assert_eq!(
        answer(&client, "set timezone = 'Mars/Olympus'").await,
        "22023"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Postgres: run ./test"]
async fn zeros_are_one_number_with_a_sign_or_without() {
    let wire = wire().await;
    let two = "(values ('-0'::float8, 0::float8)) v(x, y)";
    let both = "(values ('-0'::float8), (0::float8), ('NaN'::float8), (null)) v(x)";
    let one = "(values ('-0'::float8)) w(y)";
    let questions = [
        "select (-0.0::float8) = 0.0::float8".to_owned(),
        format!("select x = y, x < y, x > y, x <= y, x >= y, x <> y from {two}"),
        format!("select x is distinct from y, x is not distinct from y from {two}"),
        format!("select x = 0, x < 0, x <= 0, x > 0, x >= 0, x <> 0, 0 = x, 0 < x from {two}"),
        format!("select x between 0 and 1, y between -1 and '-0', x in (0, 1) from {two}"),
        format!("select x::real = y::real, x::real = 0, -y = x from {two}"),
        format!("select nullif(x, y) is null, case x when 0 then 'z' else 'n' end from {two}"),
        format!("select count(*), count(distinct x) from {both}"),
        format!("select count(*) from {both} where x = 0"),
        format!("select count(*) from {both} where x <> 0"),
        format!("select count(*) from {both} where not x > 0"),
        format!("select count(*) from {both} group by x order by 1"),
        format!("select x + 1, count(*) from {both} where x = 0 group by x"),
        format!("select count(*) from (select distinct x from {both}) d"),
        format!("select count(*) from {both} join {one} on x = y"),
        format!("select count(*) from {both} left join {one} on x = y and x < 1"),
        format!("select count(*) from {both} where x in (select y from {one})"),
        format!("select count(*) from {both} where x not in (select y from {one})"),
        format!("select rank() over (order by x) from {both} order by 1"),
        format!("select count(*) over (partition by x) from {both} order by 1"),
        format!("select count(*) from (select x from {both} union select y from {one}) u"),
        format!("select count(*) from (select x from {both} intersect select y from {one}) i"),
        format!("select count(*) from (select x from {both} except select y from {one}) e"),
    ];
    let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
    same(&wire, "select 1", &questions).await;
}
