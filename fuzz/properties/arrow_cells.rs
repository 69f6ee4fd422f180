//! A cell of an Arrow array as the oracle sees values.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};

use super::oracle::Seen;

pub fn cell(array: &dyn Array, row: usize) -> Seen {
    if array.is_null(row) {
        return Seen::Null;
    }
    match array.data_type() {
        DataType::Boolean => Seen::Boolean(array.as_boolean().value(row)),
        DataType::Int32 => Seen::Whole(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Seen::Whole(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::Float32 => Seen::Float(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Seen::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => Seen::Whole(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::Date32 => Seen::Whole(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Time64(_) => Seen::Whole(
            array
                .as_primitive::<Time64MicrosecondType>()
                .value(row)
                .into(),
        ),
        DataType::Timestamp(..) => Seen::Whole(
            array
                .as_primitive::<TimestampMicrosecondType>()
                .value(row)
                .into(),
        ),
        DataType::Utf8 => Seen::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeBinary => Seen::Bytes(array.as_binary::<i64>().value(row).to_vec()),
        DataType::FixedSizeBinary(_) => {
            Seen::Bytes(array.as_fixed_size_binary().value(row).to_vec())
        }
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter();
            Seen::Struct(columns.map(|column| cell(column, row)).collect())
        }
        DataType::List(_) => {
            let elements = array.as_list::<i32>().value(row);
            Seen::List((0..elements.len()).map(|at| cell(&elements, at)).collect())
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let entry = |at| (cell(keys, at), cell(values, at));
            Seen::Map((0..entries.len()).map(entry).collect())
        }
        other => panic!("no table of ours has a column of {other}"),
    }
}
