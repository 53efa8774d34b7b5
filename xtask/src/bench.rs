//! `cargo xtask bench`: the benchmarks on a release build, as tables.

use anyhow::Result;

use crate::cargo::cargo;
use crate::progress::run;
use crate::tools::Cache;
use crate::{build, packages, test};

/// Runs the benchmarks of these names, or all.
///
/// # Errors
/// When something they need cannot be had, or one fails.
pub(crate) fn bench(names: &[String]) -> Result<()> {
    packages::ensure(packages::BUILD)?;
    packages::ensure(packages::TEST)?;
    let relay = build::build()?;
    let variables = test::environment(&Cache::open()?, &relay, false)?;
    let mut command =
        cargo(&["run", "--release", "--locked", "--package", "soundport-tests", "--bin", "bench", "--"]);
    run(command.args(names).envs(variables))
}
