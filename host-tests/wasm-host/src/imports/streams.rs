//! Resuming, replying, closing, and the context that host calls act on. All that moves a stream waits until the guest
//! has returned.

use wasmtime::Linker;

use super::memory::{read, read_headers};
use super::{Guest, Outcome, status};
use crate::abi::{Direction, Status};
use crate::local_reply::LocalReply;
use crate::vm::{Context, Deferred, VmState};

pub(super) fn define(linker: &mut Linker<VmState>) -> Result<(), wasmtime::Error> {
    linker.func_wrap("env", "proxy_continue_stream", |mut guest: Guest<'_>, stream: u32| {
        called!(guest, "proxy_continue_stream");
        status(resume(guest.data_mut(), stream))
    })?;
    linker.func_wrap("env", "proxy_close_stream", |mut guest: Guest<'_>, stream: u32| {
        called!(guest, "proxy_close_stream");
        status(close(guest.data_mut(), stream))
    })?;
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |mut guest: Guest<'_>,
         code: u32,
         _details: u32,
         _details_size: u32,
         body: u32,
         body_size: u32,
         headers: u32,
         headers_size: u32,
         _grpc: i32| {
            called!(guest, "proxy_send_local_response");
            status(reply(&mut guest, code, (body, body_size), (headers, headers_size)))
        },
    )?;
    linker.func_wrap("env", "proxy_set_effective_context", |mut guest: Guest<'_>, context: u32| {
        called!(guest, "proxy_set_effective_context");
        status(set_effective_context(guest.data_mut(), context))
    })?;
    linker.func_wrap("env", "proxy_done", |mut guest: Guest<'_>| {
        called!(guest, "proxy_done");
        status(done(guest.data_mut()))
    })?;
    Ok(())
}

/// Zero names the VM itself and means the true context again.
fn set_effective_context(state: &mut VmState, context: u32) -> Outcome {
    if context != 0 && !state.contexts.contains_key(&context) {
        return Err(Status::BadArgument.into());
    }
    state.effective = context;
    Ok(())
}

fn direction(stream: u32) -> Result<Direction, Status> {
    match stream {
        0 => Ok(Direction::Request),
        1 => Ok(Direction::Response),
        _ => Err(Status::BadArgument),
    }
}

/// From here on, the request's headers are gone for the guest, whichever direction it resumes.
fn resume(state: &mut VmState, stream: u32) -> Outcome {
    let direction = direction(stream)?;
    let context = state.acting();
    if let Some(stream) = state.stream(context) {
        stream.request.headers_visible = false;
        stream.request.trailers_visible = false;
        state.deferred.push_back(Deferred::Continue(context, direction));
    }
    Ok(())
}

fn close(state: &mut VmState, stream: u32) -> Outcome {
    direction(stream)?;
    let context = state.acting();
    state.stop_next = true;
    if state.stream(context).is_some() {
        state.deferred.push_back(Deferred::Close(context));
    }
    Ok(())
}

fn reply(guest: &mut Guest<'_>, code: u32, body: (u32, u32), headers: (u32, u32)) -> Outcome {
    let mut reply = LocalReply::new(u16::try_from(code).unwrap_or(500), read(guest, body.0, body.1)?);
    reply.headers = read_headers(guest, headers.0, headers.1)?;
    let state = guest.data_mut();
    let context = state.acting();
    state.stop_next = true;
    if state.stream(context).is_some() {
        state.deferred.push_back(Deferred::LocalReply(context, reply));
    }
    Ok(())
}

/// Ends a root context that said in `on_done` that it was not done yet.
fn done(state: &mut VmState) -> Outcome {
    let context = state.acting();
    match state.contexts.get_mut(&context) {
        Some(Context::Root(root)) if root.done_pending => {
            root.done_pending = false;
            state.deferred.push_back(Deferred::RootDone(context));
            Ok(())
        }
        _ => Err(Status::NotFound.into()),
    }
}
