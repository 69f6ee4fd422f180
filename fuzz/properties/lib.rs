//! What the fuzz targets hold the parsers to. The properties know nothing of libFuzzer: the
//! ordinary tests run the same ones (`tests/it/fuzz.rs`), so that they can't rot.

#[path = "mod.rs"]
pub mod properties;

use std::path::Path;

use properties::Target;

/// Writes a target's seeds and dictionary where `FRAZIL_FUZZ_SEEDS` says, before libFuzzer reads
/// them from there.
pub fn prepare(target: &Target) {
    let Some(folder) = std::env::var_os("FRAZIL_FUZZ_SEEDS") else {
        return;
    };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder.join("seeds")).expect("a folder for the seeds");
    let seeds = (target.seeds)();
    for (number, seed) in seeds.iter().enumerate() {
        let file = folder.join("seeds").join(format!("{number:04}"));
        std::fs::write(file, seed).expect("a seed is written");
    }
    let mut words = String::new();
    for word in target.words {
        let bytes: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        words += &format!("\"{bytes}\"\n");
    }
    std::fs::write(folder.join("words"), words).expect("the dictionary is written");
    println!(
        "{}: {} seeds and {} words in {}",
        target.name,
        seeds.len(),
        target.words.len(),
        folder.display()
    );
}
