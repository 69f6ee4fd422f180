//! Curated tables as processes make and serve them: through the sink, the jobs runner and the
//! catalog's database, SQLite's and Postgres', and a REST catalog, each process with connections of
//! its own.

mod leases;
mod processes;
mod rest;
mod shipped;
mod shop;
mod statements;
