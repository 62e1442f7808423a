//! State that all VMs share: data, queues, metrics.

use super::memory::{give, read, read_text, write, write_u32};
use super::{Guest, Outcome};
use crate::abi::Status;
use crate::shared_queue::Consumer;

functions! {
    fn proxy_get_shared_data(guest, key: u32, key_size: u32, data: u32, size: u32, cas: u32) {
        get_data(guest, (key, key_size), (data, size), cas)
    }
    fn proxy_set_shared_data(guest, key: u32, key_size: u32, data: u32, size: u32, cas: u32) {
        let (key, value) = (read_text(guest, key, key_size)?, read(guest, data, size)?);
        guest.data().process.borrow_mut().shared_data.set(&key, value, cas).outcome()
    }
    fn proxy_register_shared_queue(guest, name: u32, name_size: u32, out: u32) {
        register(guest, (name, name_size), out)
    }
    fn proxy_resolve_shared_queue(guest, vm_id: u32, vm_id_size: u32, name: u32, name_size: u32, out: u32) {
        resolve(guest, (vm_id, vm_id_size), (name, name_size), out)
    }
    fn proxy_enqueue_shared_queue(guest, queue: u32, data: u32, size: u32) {
        let message = read(guest, data, size)?;
        let mut process = guest.data().process.borrow_mut();
        let consumer = process.queues.enqueue(queue, message).ok_or(Status::NotFound)?;
        process.notify(consumer, queue);
        Ok(())
    }
    fn proxy_dequeue_shared_queue(guest, queue: u32, data: u32, size: u32) {
        let message = guest.data().process.borrow_mut().queues.dequeue(queue);
        match message {
            None => Status::NotFound.outcome(),
            Some(None) => Status::Empty.outcome(),
            Some(Some(message)) => give(guest, &message, data, size),
        }
    }
    fn proxy_define_metric(guest, kind: u32, name: u32, name_size: u32, out: u32) {
        let name = read_text(guest, name, name_size)?;
        let state = guest.data_mut();
        let id = state.metric_ids.define(&mut state.process.borrow_mut().metrics, kind, &name)?;
        write_u32(guest, out, id)
    }
    fn proxy_increment_metric(guest, id: u32, offset: i64) {
        let state = guest.data();
        state.metric_ids.increment(&mut state.process.borrow_mut().metrics, id, offset).outcome()
    }
    fn proxy_record_metric(guest, id: u32, value: u64) {
        let state = guest.data();
        state.metric_ids.record(&mut state.process.borrow_mut().metrics, id, value).outcome()
    }
    fn proxy_get_metric(guest, id: u32, out: u32) {
        let state = guest.data();
        let value = state.metric_ids.get(&mut state.process.borrow_mut().metrics, id)?;
        write(guest, out, &value.to_le_bytes())
    }
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
