//! State that all VMs share: data, queues, metrics.

use wasmtime::Linker;

use super::memory::{give, read, read_text, write, write_u32};
use super::{Guest, Outcome, status};
use crate::abi::Status;
use crate::shared_queue::Consumer;
use crate::vm::VmState;

pub(super) fn define(linker: &mut Linker<VmState>) -> Result<(), wasmtime::Error> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |mut guest: Guest<'_>, key: u32, key_size: u32, data: u32, size: u32, cas: u32| {
            called!(guest, "proxy_get_shared_data");
            status(get_data(&mut guest, (key, key_size), (data, size), cas))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |guest: Guest<'_>, key: u32, key_size: u32, data: u32, size: u32, cas: u32| {
            called!(guest, "proxy_set_shared_data");
            status(read_text(&guest, key, key_size).and_then(|key| {
                let value = read(&guest, data, size)?;
                guest.data().process.borrow_mut().shared_data.set(&key, value, cas).outcome()
            }))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |mut guest: Guest<'_>, name: u32, name_size: u32, out: u32| {
            called!(guest, "proxy_register_shared_queue");
            status(register(&mut guest, (name, name_size), out))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_resolve_shared_queue",
        |mut guest: Guest<'_>, vm_id: u32, vm_id_size: u32, name: u32, name_size: u32, out: u32| {
            called!(guest, "proxy_resolve_shared_queue");
            status(resolve(&mut guest, (vm_id, vm_id_size), (name, name_size), out))
        },
    )?;
    linker.func_wrap("env", "proxy_enqueue_shared_queue", |guest: Guest<'_>, queue: u32, data: u32, size: u32| {
        called!(guest, "proxy_enqueue_shared_queue");
        status(read(&guest, data, size).and_then(|message| {
            let mut process = guest.data().process.borrow_mut();
            let consumer = process.queues.enqueue(queue, message).ok_or(Status::NotFound)?;
            process.notify(consumer, queue);
            Ok(())
        }))
    })?;
    linker.func_wrap(
        "env",
        "proxy_dequeue_shared_queue",
        |mut guest: Guest<'_>, queue: u32, data: u32, size: u32| {
            called!(guest, "proxy_dequeue_shared_queue");
            let message = guest.data().process.borrow_mut().queues.dequeue(queue);
            status(match message {
                None => Status::NotFound.outcome(),
                Some(None) => Status::Empty.outcome(),
                Some(Some(message)) => give(&mut guest, &message, data, size),
            })
        },
    )?;
    define_metrics(linker)
}

fn define_metrics(linker: &mut Linker<VmState>) -> Result<(), wasmtime::Error> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |mut guest: Guest<'_>, kind: u32, name: u32, name_size: u32, out: u32| {
            called!(guest, "proxy_define_metric");
            status(read_text(&guest, name, name_size).and_then(|name| {
                let state = guest.data_mut();
                let id = state.metric_ids.define(&mut state.process.borrow_mut().metrics, kind, &name)?;
                write_u32(&mut guest, out, id)
            }))
        },
    )?;
    linker.func_wrap("env", "proxy_increment_metric", |guest: Guest<'_>, id: u32, offset: i64| {
        called!(guest, "proxy_increment_metric");
        let state = guest.data();
        status(state.metric_ids.increment(&mut state.process.borrow_mut().metrics, id, offset).outcome())
    })?;
    linker.func_wrap("env", "proxy_record_metric", |guest: Guest<'_>, id: u32, value: u64| {
        called!(guest, "proxy_record_metric");
        let state = guest.data();
        status(state.metric_ids.record(&mut state.process.borrow_mut().metrics, id, value).outcome())
    })?;
    linker.func_wrap("env", "proxy_get_metric", |mut guest: Guest<'_>, id: u32, out: u32| {
        called!(guest, "proxy_get_metric");
        let state = guest.data();
        let value = state.metric_ids.get(&mut state.process.borrow_mut().metrics, id);
        status(match value {
            Ok(value) => write(&mut guest, out, &value.to_le_bytes()),
            Err(refused) => refused.outcome(),
        })
    })?;
    Ok(())
}

fn get_data(guest: &mut Guest<'_>, key: (u32, u32), out: (u32, u32), cas_out: u32) -> Outcome {
    let key = read_text(guest, key.0, key.1)?;
    let found = guest.data().process.borrow().shared_data.get(&key).map(|(value, cas)| (value.to_vec(), cas));
    let (value, cas) = found.ok_or(Status::NotFound)?;
    give(guest, &value, out.0, out.1)?;
    write_u32(guest, cas_out, cas)
}

/// The consumer is the root, whichever context registers.
fn register(guest: &mut Guest<'_>, name: (u32, u32), out: u32) -> Outcome {
    let name = read_text(guest, name.0, name.1)?;
    let state = guest.data_mut();
    let context = state.root_of(state.acting()).ok_or(Status::BadArgument)?;
    let consumer = Consumer { thread: state.thread, context };
    let token = state.process.borrow_mut().queues.register(&name, consumer);
    write_u32(guest, out, token)
}

/// An empty `vm_id` means the guest's own; this host knows no other.
fn resolve(guest: &mut Guest<'_>, vm_id: (u32, u32), name: (u32, u32), out: u32) -> Outcome {
    let vm_id = read_text(guest, vm_id.0, vm_id.1)?;
    let name = read_text(guest, name.0, name.1)?;
    let state = guest.data();
    if !vm_id.is_empty() && vm_id != state.plugin.vm_id {
        return Err(Status::NotFound.into());
    }
    let token = state.process.borrow().queues.resolve(&name).ok_or(Status::NotFound)?;
    write_u32(guest, out, token)
}
