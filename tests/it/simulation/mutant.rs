//! Deliberate faults of the kind that the product must not have: with one of them in place the
//! oracle must find something, else it proves nothing.

use frazil::lake::Result;
use frazil::lake::catalog::{Catalog, Guard, Swap, SwapOutcome};

use super::dice::Dice;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    None,
    /// A catalog that swaps without comparing: the last writer wins.
    BlindSwap,
    /// The same for curated tables only, and no lease is looked at.
    BlindRuns,
    /// A catalog whose swap of two tables moves one of them.
    HalfSwap,
    /// A source that moves its position over records it never delivered.
    DropsRecords,
    /// A ledger that does not stay with its rows: it is set back behind them now and then.
    RewindsLedger,
    /// A writer that retries an unknown outcome blindly: files are appended a second time.
    AppendsTwice,
}

impl Mutant {
    pub async fn swap(
        self,
        inner: &dyn Catalog,
        swaps: &[Swap],
        guards: &[Guard],
    ) -> Result<SwapOutcome> {
        let curated = swaps.iter().any(|swap| swap.table.namespace() == "curated");
        match self {
            Self::BlindSwap | Self::BlindRuns if self == Self::BlindSwap || curated => {
                let mut blind = Vec::new();
                for swap in swaps {
                    let found = inner.load(&swap.table).await?;
                    blind.push(Swap {
                        expected: found.map(|pointer| pointer.metadata_location),
                        ..swap.clone()
                    });
                }
                let guards = if curated { &[] } else { guards };
                inner.swap(&blind, guards).await
            }
            Self::HalfSwap if swaps.iter().all(|swap| swap.expected.is_some()) => {
                inner.swap(&swaps[..1], guards).await
            }
            _ => inner.swap(swaps, guards).await,
        }
    }

    pub fn drops_record(self, dice: &Dice) -> bool {
        self == Self::DropsRecords && dice.permille(10)
    }
}
