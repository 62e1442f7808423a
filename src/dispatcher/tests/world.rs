//! Several VMs over one memory in virtual time. Messages lie in the mail until the test delivers or
//! loses them; clients and pods are the test's. What no run may ever break is checked at every
//! step.

mod laws;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::dispatcher::{Action, Dispatcher, End, RefusalReason, Settings};
use crate::learning::{Prediction, PredictionKind};
use crate::scheduling::load::Load;
use crate::scheduling::policies::{Preferences, least_request};
use crate::scheduling::pool::Pool;
use crate::scheduling::prefix::PrefixMode;
use crate::scheduling::queue::LatePolicy;
use crate::scheduling::request::{Arrival, Assessment, RequestId};
use crate::scheduling::slo::Outcome;
use crate::scheduling::testing::START;
use crate::scheduling::time::Instant;
use crate::shared::memory::Memory;
use crate::shared::store::{Contended, Store, Stored};

/// Time between the ticks of a VM in which something waits.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// Time between the ticks of any other.
const IDLE_TICK: Duration = Duration::from_millis(250);

/// The memory as one VM reaches it.
#[derive(Clone)]
pub(super) struct Port {
    memory: Memory,
    vm: usize,
    owners: Rc<RefCell<HashMap<u32, usize>>>,
    /// Decides which writes fail as if another VM had come between.
    interference: Rc<RefCell<Interference>>,
}

/// One write in so many fails.
struct Interference {
    one_in: Option<u32>,
    rng: fastrand::Rng,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) requests: BTreeMap<u32, Fate>,
    memory: Memory,
    owners: Rc<RefCell<HashMap<u32, usize>>>,
    interference: Rc<RefCell<Interference>>,
    settings: Settings,
    pool: Rc<Pool>,
    pub(super) vms: Vec<Vm>,
    mail: Vec<u32>,
}

pub(super) struct Vm {
    pub(super) dispatcher: Dispatcher<Port>,
    ticked: Instant,
    stalled_until: Instant,
}

/// State or end of a request.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    Waiting {
        vm: usize,
        arrival: Box<Arrival>,
    },
    Running {
        vm: usize,
        address: SocketAddr,
        load: Load,
    },
    Refused(RefusalReason),
    /// It ended, its client left, or its VM died.
    Over,
}

pub(super) fn settings() -> Settings {
    Settings {
        prefix: PrefixMode::Off,
        looks_at_runs: false,
        corrects_profiles: true,
        pool: "p".to_owned(),
        fingerprint: 1,
        prediction: Prediction { kind: PredictionKind::Median, cold_tokens: 1 },
        assessment: Assessment {
            default_slo: None,
            default_concurrency: None,
            fallback_policy: least_request::LEAST_REQUEST,
        },
        reject_infeasible: false,
        preferences: Preferences::default(),
        max_waiting: 100,
        max_wait: Duration::from_secs(20),
        late: LatePolicy::Last,
        alternatives: 0,
        replicas: None,
    }
}

/// An answer that shows its pod to be well.
pub(super) fn well() -> End {
    End::Finished(Outcome {
        shape: crate::scheduling::testing::shape(0),
        cached_tokens: None,
        ttft: Duration::ZERO,
        e2e: Duration::ZERO,
    })
}

// === impl Port ===

impl Store for Port {
    fn get(&self, key: &str) -> Stored {
        self.memory.get(key)
    }

    fn set(&self, key: &str, bytes: &[u8], version: u32) -> Result<(), Contended> {
        let Interference { one_in, rng } = &mut *self.interference.borrow_mut();
        if one_in.is_some_and(|one_in| rng.u32(0..one_in) == 0) {
            return Err(Contended);
        }
        self.memory.set(key, bytes, version)
    }

    fn open_mailbox(&self, name: &str) -> Option<u32> {
        let mailbox = self.memory.open_mailbox(name)?;
        self.owners.borrow_mut().insert(mailbox, self.vm);
        Some(mailbox)
    }

    fn send(&self, mailbox: u32) {
        self.memory.send(mailbox);
    }
}

// === impl World ===

impl World {
    pub(super) fn new(vms: usize, pool: Pool, settings: Settings) -> Self {
        let interference = Interference { one_in: None, rng: fastrand::Rng::with_seed(7) };
        let mut world = Self {
            now: START,
            requests: BTreeMap::new(),
            memory: Memory::default(),
            owners: Rc::default(),
            interference: Rc::new(RefCell::new(interference)),
            settings,
            pool: Rc::new(pool),
            vms: Vec::new(),
            mail: Vec::new(),
        };
        world.vms = (0..vms).map(|vm| world.start(vm)).collect();
        world
    }

    /// Lets one write in so many fail.
    pub(super) fn interfere(&self, one_in: Option<u32>) {
        self.interference.borrow_mut().one_in = one_in;
    }

    pub(super) fn vm_count(&self) -> usize {
        self.vms.len()
    }

    pub(super) fn mail_count(&mut self) -> usize {
        while let Some(mailbox) = self.memory.take_message() {
            self.mail.push(mailbox);
        }
        self.mail.len()
    }

    pub(super) fn arrive(&mut self, vm: usize, arrival: Arrival) {
        let id = arrival.id;
        let fate = Fate::Waiting { vm, arrival: Box::new(arrival.clone()) };
        assert!(self.requests.insert(id.0, fate).is_none(), "ids are unique");
        let actions = self.vms[vm].dispatcher.submit(arrival, self.now);
        self.perform(vm, actions);
    }

    /// A request ended on its pod, if it ran.
    pub(super) fn finish(&mut self, id: u32, end: &End) {
        if let Some(Fate::Running { vm, .. }) = self.requests.get(&id) {
            self.vms[*vm].dispatcher.finish(RequestId(id), end, self.now);
            self.requests.insert(id, Fate::Over);
        }
    }

    /// The answer to a request that runs has so many tokens.
    pub(super) fn progress(&mut self, id: u32, tokens: u32) {
        if let Some(Fate::Running { vm, .. }) = self.requests.get(&id) {
            self.vms[*vm].dispatcher.progress(RequestId(id), tokens, self.now);
        }
    }

    /// A request's client left, wherever it was.
    pub(super) fn cancel(&mut self, id: u32) {
        match self.requests.get(&id) {
            Some(Fate::Waiting { vm, .. }) => self.vms[*vm].dispatcher.cancel(RequestId(id), self.now),
            Some(Fate::Running { vm, .. }) => {
                self.vms[*vm].dispatcher.finish(RequestId(id), &End::Abandoned, self.now);
            }
            _ => return,
        }
        self.requests.insert(id, Fate::Over);
    }

    /// Delivers one of the messages; one for a VM that stalls stays where it is.
    pub(super) fn deliver(&mut self, position: usize) {
        let owner = self.owners.borrow()[&self.mail[position]];
        if self.vms[owner].stalled_until <= self.now {
            self.mail.swap_remove(position);
            let actions = self.vms[owner].dispatcher.look_again(self.now);
            self.perform(owner, actions);
        }
    }

    pub(super) fn lose(&mut self, position: usize) {
        self.mail.swap_remove(position);
    }

    pub(super) fn double(&mut self, position: usize) {
        self.mail.push(self.mail[position]);
    }

    /// Delivers all messages, and those that these lead to.
    pub(super) fn deliver_all(&mut self) {
        for _ in 0..1000 {
            self.mail_count();
            let awake = |mailbox: &u32| self.vms[self.owners.borrow()[mailbox]].stalled_until <= self.now;
            let Some(position) = self.mail.iter().position(awake) else { return };
            self.deliver(position);
        }
        panic!("the VMs wake each other without end");
    }

    /// Time passes, with ticks.
    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now.after(span);
        while self.now < end {
            self.now = self.now.after(TICK).min(end);
            self.tick_due();
        }
    }

    pub(super) fn tick_due(&mut self) {
        for vm in 0..self.vms.len() {
            let Vm { dispatcher, ticked, stalled_until } = &self.vms[vm];
            let period = if dispatcher.waiting() > 0 { TICK } else { IDLE_TICK };
            if self.now.since(*ticked) >= period && *stalled_until <= self.now {
                self.tick(vm);
            }
        }
        self.assert_nothing_waits_too_long();
    }

    pub(super) fn tick(&mut self, vm: usize) {
        self.vms[vm].ticked = self.now;
        let actions = self.vms[vm].dispatcher.tick(self.now);
        self.perform(vm, actions);
    }

    /// A VM does nothing for so long.
    pub(super) fn stall(&mut self, vm: usize, span: Duration) {
        self.vms[vm].stalled_until = self.now.after(span);
    }

    /// A VM dies without a word, with all its streams, and another starts in its place.
    pub(super) fn kill(&mut self, vm: usize) {
        for fate in self.requests.values_mut() {
            if matches!(fate, Fate::Waiting { vm: of, .. } | Fate::Running { vm: of, .. } if *of == vm) {
                *fate = Fate::Over;
            }
        }
        self.vms[vm] = self.start(vm);
    }

    /// One VM learns of a new pool.
    pub(super) fn set_pool(&mut self, vm: usize, pool: Rc<Pool>) {
        self.pool = Rc::clone(&pool);
        let actions = self.vms[vm].dispatcher.set_pool(pool, self.now);
        self.perform(vm, actions);
    }

    /// Ids by what became of them.
    pub(super) fn ids(&self, with: impl Fn(&Fate) -> bool) -> Vec<u32> {
        self.requests.iter().filter(|(_, fate)| with(fate)).map(|(id, _)| *id).collect()
    }

    pub(super) fn waiting(&self) -> Vec<u32> {
        self.ids(|fate| matches!(fate, Fate::Waiting { .. }))
    }

    pub(super) fn running(&self) -> Vec<u32> {
        self.ids(|fate| matches!(fate, Fate::Running { .. }))
    }

    /// Lets messages arrive and ticks pass until nothing that fits waits; fails if that takes long.
    pub(super) fn settle(&mut self) {
        for _ in 0..40 {
            self.deliver_all();
            if self.fitting().is_none() {
                return;
            }
            self.wait(TICK);
        }
        panic!("{:?} waits, and there is room for it", self.fitting());
    }

    fn start(&self, vm: usize) -> Vm {
        let interference = Rc::clone(&self.interference);
        let port = Port { memory: self.memory.clone(), vm, owners: Rc::clone(&self.owners), interference };
        let mut dispatcher = Dispatcher::new(port, self.settings.clone(), vm as u64, START);
        assert_eq!(dispatcher.set_pool(Rc::clone(&self.pool), self.now), []);
        Vm { dispatcher, ticked: self.now, stalled_until: START }
    }

    fn perform(&mut self, vm: usize, actions: Vec<Action>) {
        assert!(actions.len() <= crate::dispatcher::MOST_ACTIONS, "{} at once", actions.len());
        for action in actions {
            let (Action::Forward(id, _) | Action::Refuse(id, ..)) = &action;
            let before = self.requests.get(&id.0);
            assert!(matches!(before, Some(Fate::Waiting { vm: of, .. }) if *of == vm), "{before:?}: {action:?}");
            let (id, fate) = match action {
                Action::Forward(id, placement) => {
                    (id, Fate::Running { vm, address: placement.address, load: placement.load })
                }
                Action::Refuse(id, reason, _) => (id, Fate::Refused(reason)),
            };
            self.requests.insert(id.0, fate);
        }
        self.assert_none_lost(vm);
        if !self.settings.looks_at_runs {
            self.assert_within_capacity();
        }
    }
}
