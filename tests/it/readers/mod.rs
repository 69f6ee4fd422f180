//! Other engines on our tables, and ours on theirs.

mod asked;
mod bounds;
mod golden;
mod house;
mod pruned;
mod pyiceberg;
mod spark;
mod spark_process;
mod spark_reads;
mod spark_tables;
mod values;
