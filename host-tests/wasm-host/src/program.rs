//! A compiled filter.

use std::path::Path;

use wasmtime::{Cache, CacheConfig, Config, Engine, InstancePre, Linker, Module};

use crate::imports;
use crate::vm::VmState;

/// A module, compiled once, from which any number of VMs are made.
#[derive(Clone)]
pub struct Program {
    pub(crate) pre: InstancePre<VmState>,
}

// === impl Program ===

impl Program {
    /// Compiles the module in a file. The compiled code is kept in a folder `compiled` beside it, so that the next test
    /// process starts at once.
    ///
    /// # Errors
    /// If the file cannot be read, is not a module, or imports what no proxy offers.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, wasmtime::Error> {
        Self::compile(path.as_ref(), &Config::new())
    }

    /// The same, counting the instructions that each callback takes; see [`World::instructions`](crate::World::instructions).
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_counting(path: impl AsRef<Path>) -> Result<Self, wasmtime::Error> {
        Self::compile(path.as_ref(), Config::new().consume_fuel(true))
    }

    fn compile(path: &Path, config: &Config) -> Result<Self, wasmtime::Error> {
        let mut config = config.clone();
        if let Some(folder) = path.canonicalize()?.parent() {
            let mut cache = CacheConfig::new();
            cache.with_directory(folder.join("compiled"));
            config.cache(Some(Cache::new(cache)?));
        }
        let engine = Engine::new(&config)?;
        let module = Module::from_file(&engine, path)?;
        let mut linker = Linker::new(&engine);
        imports::define(&mut linker, &module)?;
        Ok(Self { pre: linker.instantiate_pre(&module)? })
    }
}
