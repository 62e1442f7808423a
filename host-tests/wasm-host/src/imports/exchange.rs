//! Logs, time, ticks, buffers, callouts and what the host does not offer.

use std::time::Duration;

use super::memory::{give, read, read_headers, read_text, write, write_u32};
use super::{Guest, Outcome};
use crate::LogLevel;
use crate::abi::{BufferType, Status};
use crate::agenda::Task;
use crate::callout::Call;
use crate::event::What;
use crate::vm::VmState;

functions! {
    fn proxy_log(guest, level: u32, data: u32, size: u32) {
        let text = read_text(guest, data, size)?;
        let level = LogLevel::from_abi(level).ok_or(Status::BadArgument)?;
        guest.data_mut().log(level, text);
        Ok(())
    }
    fn proxy_get_log_level(guest, out: u32) {
        let level = guest.data().process.borrow().log_level;
        write_u32(guest, out, level as u32)
    }
    fn proxy_get_current_time_nanoseconds(guest, out: u32) {
        let time = nanoseconds(guest.data().process.borrow().wall_clock());
        write(guest, out, &time.to_le_bytes())
    }
    fn proxy_set_tick_period_milliseconds(guest, period: u32) {
        set_tick_period(guest.data_mut(), Duration::from_millis(period.into()))
    }
    fn proxy_get_buffer_bytes(guest, buffer: u32, start: u32, length: u32, data: u32, size: u32) {
        get_buffer(guest, buffer, (start, length), (data, size))
    }
    fn proxy_get_buffer_status(guest, buffer: u32, length: u32, flags: u32) {
        buffer_status(guest, buffer, length, flags)
    }
    fn proxy_set_buffer_bytes(guest, buffer: u32, start: u32, length: u32, data: u32, size: u32) {
        set_buffer(guest, buffer, (start, length), (data, size))
    }
    fn proxy_http_call(
        guest, cluster: u32, cluster_size: u32, headers: u32, headers_size: u32, body: u32, body_size: u32,
        _trailers: u32, _trailers_size: u32, timeout_ms: u32, out: u32
    ) {
        let parts = [(cluster, cluster_size), (headers, headers_size), (body, body_size)];
        http_call(guest, parts, timeout_ms, out)
    }
    fn proxy_call_foreign_function(_guest, _n: u32, _n_size: u32, _data: u32, _data_size: u32, _out: u32, _size: u32) {
        Status::NotFound.outcome()
    }
    fn proxy_get_status(guest, code: u32, data: u32, size: u32) {
        write_u32(guest, code, 0)?;
        give(guest, &[], data, size)
    }
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn set_tick_period(state: &mut VmState, period: Duration) -> Outcome {
    let id = state.root_of(state.acting()).ok_or(Status::BadArgument)?;
    let root = state.root(id).ok_or(Status::BadArgument)?;
    root.tick_period = period;
    state.arm_tick(id);
    Ok(())
}

/// The bytes of a buffer, for reading.
fn contents(state: &mut VmState, buffer: BufferType) -> Option<Vec<u8>> {
    match buffer {
        // A root's is empty.
        BufferType::Body(direction) => {
            Some(state.acting_stream().and_then(|stream| stream.half(direction).body().cloned()).unwrap_or_default())
        }
        BufferType::CallBody => Some(state.acting_root()?.reply.as_ref()?.body.clone()),
        BufferType::VmConfiguration => Some(state.plugin.vm_configuration.clone()),
        BufferType::PluginConfiguration => Some(state.configuring.as_ref()?.configuration.clone()),
        BufferType::Other => None,
    }
}

fn get_buffer(guest: &mut Guest<'_>, buffer: u32, range: (u32, u32), out: (u32, u32)) -> Outcome {
    let buffer = BufferType::from_abi(buffer).ok_or(Status::BadArgument)?;
    let bytes = contents(guest.data_mut(), buffer).ok_or(Status::NotFound)?;
    let (start, length) = (range.0 as usize, range.1 as usize);
    // From beyond the end there is nothing to give.
    let part = &bytes[start.min(bytes.len())..bytes.len().min(start.saturating_add(length))];
    give(guest, part, out.0, out.1)
}

fn buffer_status(guest: &mut Guest<'_>, buffer: u32, length_out: u32, flags_out: u32) -> Outcome {
    let buffer = BufferType::from_abi(buffer).ok_or(Status::BadArgument)?;
    let bytes = contents(guest.data_mut(), buffer).ok_or(Status::NotFound)?;
    write_u32(guest, length_out, u32::try_from(bytes.len()).unwrap_or(u32::MAX))?;
    write_u32(guest, flags_out, 0)
}

/// From the start: replaces so many bytes. From the end or beyond: appends. From between: refused.
fn set_buffer(guest: &mut Guest<'_>, buffer: u32, range: (u32, u32), data: (u32, u32)) -> Outcome {
    let Some(BufferType::Body(direction)) = BufferType::from_abi(buffer) else {
        return Err(Status::BadArgument.into());
    };
    let data = read(guest, data.0, data.1)?;
    let stream = guest.data_mut().acting_stream().ok_or(Status::BadArgument)?;
    let body = stream.half(direction).body().ok_or(Status::BadArgument)?;
    let (start, length) = (range.0 as usize, range.1 as usize);
    if start == 0 {
        body.splice(..length.min(body.len()), data);
    } else if start >= body.len() {
        body.extend(data);
    } else {
        return Err(Status::BadArgument.into());
    }
    Ok(())
}

fn http_call(guest: &mut Guest<'_>, parts: [(u32, u32); 3], timeout_ms: u32, out: u32) -> Outcome {
    let [cluster, headers, body] = parts;
    let cluster = read_text(guest, cluster.0, cluster.1)?;
    let headers = read_headers(guest, headers.0, headers.1)?;
    let body = read(guest, body.0, body.1)?;
    write_u32(guest, out, 0)?;
    let state = guest.data_mut();
    let root = state.root_of(state.acting()).ok_or(Status::BadArgument)?;
    let (vm, thread, process) = (state.number, state.thread, state.process.clone());
    let mut process = process.borrow_mut();
    let complete = [":method", ":path", ":authority"].iter().all(|name| headers.get(name).is_some());
    if !process.clusters.knows(&cluster) || !complete {
        return Err(Status::BadArgument.into());
    }
    let timeout = Duration::from_millis(timeout_ms.into());
    let call = Call { cluster, headers, body, timeout, at: process.now };
    let answer = process.clusters.answer(call).map_err(|()| Status::InternalFailure)?;
    // Tokens step by four, as Envoy's do; the low bits tell kinds of calls apart there.
    let token = state.next_call;
    state.next_call += 4;
    if let Some(root) = state.root(root) {
        root.calls.push(token);
    }
    if let Some((after, reply)) = answer {
        process.after(after, thread, Task::CallDone { vm, root, token, reply });
    }
    drop(process);
    write_u32(guest, out, token)
}

// === impl VmState ===

impl VmState {
    /// Keeps a line of the guest's log, if its level is on.
    pub(super) fn log(&mut self, level: LogLevel, text: String) {
        let on = level >= self.process.borrow().log_level;
        if on {
            self.record(self.current, What::Log(level, text));
        }
    }
}
