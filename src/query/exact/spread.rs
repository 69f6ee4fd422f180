//! Variances and standard deviations of floating-point numbers, by Youngs and Cramer's recurrence as
//! Postgres's are: DataFusion's says 0 of a NaN or an infinity alone, and loses more digits.

use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::cast::as_float64_array;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

/// All of them, in the place of DataFusion's of the same names.
pub(super) fn all() -> Vec<AggregateUDF> {
    let spread = |name, aliases: &[&str], sample, root| {
        AggregateUDF::from(Spread {
            name,
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            sample,
            root,
            signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
        })
    };
    vec![
        spread("var", &["var_samp", "var_sample", "variance"], true, false),
        spread("var_pop", &["var_population"], false, false),
        spread("stddev", &["stddev_samp"], true, true),
        spread("stddev_pop", &[], false, true),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Spread {
    name: &'static str,
    aliases: Vec<String>,
    sample: bool,
    root: bool,
    signature: Signature,
}

impl AggregateUDFImpl for Spread {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |part: &str, kind| {
            Arc::new(Field::new(format_state_name(args.name, part), kind, true)) as FieldRef
        };
        Ok(vec![
            field("count", DataType::Int64),
            field("strange", DataType::Int64),
            field("sum", DataType::Float64),
            field("squares", DataType::Float64),
        ])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return exec_err!("{} takes no DISTINCT", self.name);
        }
        Ok(Box::new(Seen {
            count: 0,
            strange: 0,
            sum: 0.0,
            squares: 0.0,
            sample: self.sample,
            root: self.root,
        }))
    }
}

#[derive(Debug)]
struct Seen {
    /// Of finite values; those that are none only count as such, so that a window may lose them
    /// again.
    count: i64,
    strange: i64,
    sum: f64,
    /// Of the differences from the mean.
    squares: f64,
    sample: bool,
    root: bool,
}

impl Seen {
    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.strange += 1;
            return;
        }
        let before = self.count as f64;
        self.count += 1;
        self.sum += value;
        if before > 0.0 {
            let now = self.count as f64;
            let apart = value * now - self.sum;
            self.squares += apart * apart / (now * before);
        }
    }

    fn take_back(&mut self, value: f64) {
        if !value.is_finite() {
            self.strange -= 1;
            return;
        }
        let now = self.count as f64;
        let apart = value * now - self.sum;
        self.count -= 1;
        self.sum -= value;
        let after = self.count as f64;
        self.squares = match self.count {
            0 | 1 => 0.0,
            _ => (self.squares - apart * apart / (now * after)).max(0.0),
        };
    }

    fn merge(&mut self, count: i64, sum: f64, squares: f64) {
        if self.count == 0 || count == 0 {
            self.sum += sum;
            self.squares += squares;
        } else {
            let (ours, theirs) = (self.count as f64, count as f64);
            let apart = self.sum / ours - sum / theirs;
            self.squares += squares + ours * theirs * apart * apart / (ours + theirs);
            self.sum += sum;
        }
        self.count += count;
    }
}

fn each(values: &[ArrayRef], mut of: impl FnMut(f64)) -> Result<()> {
    as_float64_array(&values[0])?
        .iter()
        .flatten()
        .for_each(&mut of);
    Ok(())
}

impl Accumulator for Seen {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each(values, |value| self.add(value))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        each(values, |value| self.take_back(value))
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [counts, strange, sums, squares] = states else {
            return exec_err!("a state of {} parts", states.len());
        };
        let counts: &Int64Array = counts.as_primitive::<Int64Type>();
        let strange: &Int64Array = strange.as_primitive::<Int64Type>();
        let sums: &Float64Array = sums.as_primitive::<Float64Type>();
        let squares: &Float64Array = squares.as_primitive::<Float64Type>();
        for row in (0..counts.len()).filter(|row| counts.is_valid(*row)) {
            self.strange += strange.value(row);
            self.merge(counts.value(row), sums.value(row), squares.value(row));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            self.count.into(),
            self.strange.into(),
            self.sum.into(),
            self.squares.into(),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let divisor = self.count + self.strange - i64::from(self.sample);
        if divisor <= 0 {
            return Ok(ScalarValue::Float64(None));
        }
        if self.strange > 0 {
            return Ok(f64::NAN.into());
        }
        let variance = self.squares / divisor as f64;
        Ok(if self.root { variance.sqrt() } else { variance }.into())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
