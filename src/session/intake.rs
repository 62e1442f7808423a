//! Description of a request, as placing it needs it: its model, its lengths, its class and its
//! objective.

use std::rc::Rc;

use super::body::BodyContent;
use super::early::Plan;
use super::host::Host;
use super::intent::Wish;
use super::record::Facts;
use super::router::{Next, Router};
use crate::protocol::{Ask, Endpoint, Refusal};
use crate::scheduling::pool::Model;
use crate::scheduling::prediction::{LengthDistribution, OutputLengths};
use crate::scheduling::prefix::PromptHeads;
use crate::scheduling::request::{Arrival, RequestId};
use crate::scheduling::shape::Shape;
use crate::scheduling::time::Instant;

impl<H: Host> Router<H> {
    /// Places a request, or lets it wait. Its stream is the effective context.
    pub(super) fn schedule(&mut self, id: RequestId, wish: Wish, said: Option<BodyContent>, now: Instant) -> Next {
        let ask = said.as_ref().map(|said| &said.ask);
        let named = ask.map_or(&wish.model, |ask| &ask.model).clone();
        let Some(name) = named.or(wish.path_model.clone()).or_else(|| self.config.default_model.clone()) else {
            let encoded = wish.encoding.clone().map(|encoding| Refusal::BodyEncoded { encoding });
            return self.refuse_record(id, &encoded.unwrap_or(Refusal::ModelMissing));
        };
        if self.pods_are_unknown() {
            let arrived_at = self.streams.get(id).map_or(now, |record| record.arrived_at);
            if self.may_expect_pods(arrived_at, now) {
                return self.expect_pods(id, Plan::Schedule(Box::new(wish), said.map(Box::new)), now);
            }
            return self.go_unplaced(id, wish.subset.as_ref());
        }
        let known = self.config.models.get(&name);
        let model = Model { base: known.and_then(|known| known.base.clone()), name };
        let model_slo = known.and_then(|known| known.slo);
        let (label, is_new) = self.dispatcher.learned().label(&model.name, &self.host, &self.keys, now);
        if is_new {
            self.streams.relabel(&model.name, &label);
        }
        let input_tokens = self.input_tokens(&label, &wish, ask);
        let output_tokens = self.output_tokens(&label, input_tokens, wish.endpoint, ask, now);
        let lengths = wish.policy.looks_at_runs.then(|| self.lengths(&label, input_tokens, wish.endpoint, ask));
        let shape = Shape { output_tokens, input_tokens };
        let class = wish.classes.iter().copied().find(|class| {
            let class = self.config.classes.get(*class);
            class.is_some_and(|class| class.model.as_ref().is_none_or(|named| *named == model.name))
        });
        let weight = class.and_then(|class| self.config.classes.get(class)).map(|class| class.weight);
        let class_slo = class.and_then(|class| self.config.classes.get(class)?.slo);
        let is_measured = ask.is_none_or(|ask| ask.prompt.images == 0 && ask.prompt.others == 0);
        let heads = self.heads(&wish, ask, &model.name);
        let subset = self.pod_of_previous(ask, &model, wish.subset.as_ref()).or(wish.subset);
        let label = self.streams.label(&model.name, label);
        let Some(record) = self.streams.get_mut(id) else { return Next::Go };
        record.facts = Some(Facts {
            model: model.name.clone(),
            label,
            class,
            endpoint: wish.endpoint,
            choices: ask.map_or(1, |ask| ask.answered_choices),
            shape,
            characters: ask.filter(|_| is_measured).map(|ask| ask.prompt.characters),
            bytes: said.as_ref().map(|said| said.bytes).or(wish.bytes).filter(|_| is_measured),
        });
        let arrival = Arrival {
            id,
            at: record.arrived_at,
            class: class.map_or(0, |class| class.saturating_add(1)),
            weight: weight.unwrap_or_default(),
            policy: wish.policy,
            shape,
            streamed: ask.is_some_and(|ask| ask.stream),
            lengths,
            slo: wish.slo.or(class_slo).or(model_slo),
            model,
            subset,
            heads,
        };
        let actions = self.dispatcher.submit(arrival, now);
        self.perform(actions, Some(id))
    }

    /// Returns the heads of a request's prompt; where that is not read, one that stands for its
    /// session.
    fn heads(&self, wish: &Wish, ask: Option<&Ask>, model: &str) -> Rc<PromptHeads> {
        let Some(secret) = self.prompt_secret.filter(|_| wish.policy.looks_at_runs) else { return Rc::default() };
        let session = wish.session.as_ref();
        match ask.filter(|ask| !ask.heads.is_empty()) {
            Some(ask) if ask.model.is_some() => Rc::clone(&ask.heads),
            Some(ask) => Rc::new(ask.heads.for_model(secret, model)),
            // Models have caches of their own.
            None => session
                .map(|session| Rc::new(PromptHeads::of_session(secret, format!("{model}\0{session}").as_bytes())))
                .unwrap_or_default(),
        }
    }

    fn input_tokens(&mut self, label: &str, wish: &Wish, ask: Option<&Ask>) -> u32 {
        let Some(ask) = ask else { return self.dispatcher.learned().tokens_of_body(label, wish.bytes) };
        let text = ask
            .prompt
            .tokens
            .unwrap_or_else(|| self.dispatcher.learned().tokens_of_characters(label, ask.prompt.characters));
        let unmeasured = ask.prompt.images.saturating_add(ask.prompt.others);
        text.saturating_add(unmeasured.saturating_mul(self.config.request.image_tokens))
    }

    fn output_tokens(&mut self, label: &str, input: u32, endpoint: Endpoint, ask: Option<&Ask>, now: Instant) -> u32 {
        if !endpoint.has_output() {
            return 0;
        }
        let (learned, running) = self.dispatcher.learned_and_running();
        let running = || self.streams.partial_answers(running, label);
        let learned = learned.output_tokens(label, input, running, now, &mut self.rng);
        let estimate = self.host.true_output_tokens().unwrap_or(learned);
        let most = ask.and_then(|ask| ask.max_output_tokens).unwrap_or(u32::MAX);
        estimate.min(most).saturating_mul(ask.map_or(1, |ask| ask.choices))
    }

    /// Returns the distribution of each answer's length, for a policy that asks for it.
    fn lengths(&mut self, label: &str, input: u32, endpoint: Endpoint, ask: Option<&Ask>) -> OutputLengths {
        if !endpoint.has_output() {
            return OutputLengths::new(Rc::new(LengthDistribution::certain(0)), 0);
        }
        let (learned, running) = self.dispatcher.learned_and_running();
        let curve = match self.host.true_output_tokens() {
            None => learned.lengths(label, input, || self.streams.partial_answers(running, label)),
            Some(tokens) => Rc::new(LengthDistribution::certain(tokens)),
        };
        OutputLengths::new(curve, ask.and_then(|ask| ask.max_output_tokens).unwrap_or(u32::MAX))
    }

    /// The name under which an answer of a model teaches.
    pub(super) fn answered_label(&mut self, model: &str, now: Instant) -> Rc<str> {
        let (label, is_new) = self.dispatcher.learned().answered(model, &self.host, &self.keys, now);
        if is_new {
            self.streams.relabel(model, &label);
        }
        label
    }
}
