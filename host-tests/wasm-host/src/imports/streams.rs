//! Resuming, replying, closing, and the context that host calls act on. All that moves a stream waits until the guest
//! has returned.

use super::memory::{read, read_headers};
use super::{Guest, Outcome};
use crate::abi::{Direction, Status};
use crate::local_reply::LocalReply;
use crate::vm::{Context, Deferred, VmState};

functions! {
    fn proxy_continue_stream(guest, stream: u32) {
        resume(guest.data_mut(), stream)
    }
    fn proxy_close_stream(guest, stream: u32) {
        close(guest.data_mut(), stream)
    }
    fn proxy_send_local_response(
        guest, code: u32, _details: u32, _details_size: u32, body: u32, body_size: u32, headers: u32, headers_size: u32,
        _grpc: i32
    ) {
        reply(guest, code, (body, body_size), (headers, headers_size))
    }
    fn proxy_set_effective_context(guest, context: u32) {
        set_effective_context(guest.data_mut(), context)
    }
    fn proxy_done(guest) {
        done(guest.data_mut())
    }
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
