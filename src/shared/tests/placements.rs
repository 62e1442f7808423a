//! Placements on their way from gateway to gateway.

use std::time::Duration;

use proptest::prelude::*;

use crate::scheduling::pod_load::PodLoads;
use crate::scheduling::pool::{DeploymentId, PodId};
use crate::scheduling::prefix::{PrefixIndex, PromptHasher, PromptHeads, RecentPlacements, Section};
use crate::scheduling::testing::START;
use crate::shared::digest::{Digest, DigestError, MAX_OPENED, MAX_SEALED};
use crate::shared::membership::FencingToken;
use crate::shared::peer_table::{PeerTable, PoolIdentity};
use crate::shared::placement_exchange::PEER_PLACEMENTS_MAX;
use crate::shared::pool_secret::PoolSecret;

const EXPIRE: Duration = Duration::from_secs(2);

fn secret(digit: char) -> PoolSecret {
    PoolSecret::from_hex(&String::from(digit).repeat(64)).unwrap()
}

fn of_pool(secret: &PoolSecret) -> PoolIdentity<'_> {
    PoolIdentity { name: "p", secret: Some(secret) }
}

fn vm(slot: u8) -> FencingToken {
    FencingToken { slot, epoch: 1 }
}

/// Heads of a prompt of so many messages, which is like no other.
fn heads(prompt: u64, messages: u64) -> PromptHeads {
    let mut hasher = PromptHasher::new(7);
    hasher.begin(Section::Content);
    for message in 0..messages {
        hasher.text(format!("{prompt} {message}").as_bytes());
        hasher.end_message();
    }
    hasher.end(false);
    hasher.finish(&[])
}

/// The last of so many prompts that were placed, all of them if they are few, each of so many
/// messages and tokens.
fn placements(prompts: u64, messages: u64, tokens: u32) -> RecentPlacements {
    let mut index = PrefixIndex::new(1 << 12);
    let deployment = DeploymentId::of(&"d".parse().unwrap());
    for prompt in 0..prompts {
        let pod = PodId::of(([10, 0, 0, (prompt % 4) as u8], 8000).into());
        index.placed(heads(prompt, messages).into(), tokens, pod, deployment);
    }
    index.placements().clone()
}

fn sealed(placements: &RecentPlacements, secret: &PoolSecret) -> Digest {
    let mut digest = Digest { gateway: 7, sequence: 3, ..Digest::default() };
    digest.seal(placements, "p", secret, 1);
    digest
}

/// The next digest of a gateway of which one VM has these placements, where `others` are there.
fn told(peer_table: &mut PeerTable, placements: &RecentPlacements, secret: &PoolSecret) -> Digest {
    let mut digest = peer_table.digest(PodLoads::new(), None);
    peer_table.add_placements(&mut digest, &[vm(0)], |_| Some(placements.clone()), of_pool(secret), 1);
    digest
}

fn look(peer_table: &mut PeerTable, digests: &[&Digest], secret: &PoolSecret) -> Vec<String> {
    let slots: Vec<Option<String>> = digests.iter().map(|digest| Some(digest.encode("p"))).collect();
    peer_table.look(&slots, of_pool(secret), EXPIRE, START)
}

fn heard(peer_table: &PeerTable) -> RecentPlacements {
    peer_table.peer_view(PodLoads::new(), 1, Duration::ZERO, START).placements
}

#[test]
fn what_was_sealed_otherwise_is_refused() {
    let digest = sealed(&placements(3, 4, 1_000), &secret('a'));
    assert!(digest.open("p", &secret('a')).is_ok());
    let refused = |digest: &Digest| assert_eq!(digest.open("p", &secret('a')), Err(DigestError::Sealed));
    assert_eq!(digest.open("p", &secret('b')), Err(DigestError::Sealed));
    assert_eq!(digest.open("q", &secret('a')), Err(DigestError::Sealed));
    refused(&Digest { gateway: 8, ..digest.clone() });
    refused(&Digest { sequence: 4, ..digest.clone() });
    refused(&Digest { sealed: vec![0; MAX_SEALED], ..digest.clone() });
    for cut in 0..digest.sealed.len() {
        refused(&Digest { sealed: digest.sealed[..cut].to_vec(), ..digest.clone() });
        let mut changed = digest.clone();
        changed.sealed[cut] ^= 1;
        refused(&changed);
    }
}

#[test]
fn more_than_are_told_at_once_are_refused_from_whomever() {
    let mut many = RecentPlacements::default();
    many.append(&placements(32, 1, 1_000), 0, 100);
    assert!(sealed(&many, &secret('a')).open("p", &secret('a')).is_ok());
    many.append(&placements(1, 1, 1_000), 0, 100);
    assert_eq!(sealed(&many, &secret('a')).open("p", &secret('a')), Err(DigestError::Sealed));
    let long = Digest { sealed: vec![0; MAX_SEALED + 1], ..Digest::default() };
    assert_eq!(
        Digest::decode(&long.encode("p"), "p"),
        Err(DigestError::Absurd("more placements than are told at once"))
    );
}

#[test]
fn equal_placements_are_sealed_differently_each_time() {
    let mut digest = sealed(&placements(3, 4, 1_000), &secret('a'));
    let first = digest.sealed.clone();
    digest.seal(&placements(3, 4, 1_000), "p", &secret('a'), 2);
    assert!(first.iter().zip(&digest.sealed).filter(|(one, other)| one == other).count() < first.len() / 4);
}

#[test]
fn a_placement_stands_in_a_few_digests_and_is_heard_once() {
    let (mut one, mut other) = (PeerTable::new(1), PeerTable::new(2));
    let placed = placements(3, 4, 1_000);
    for turn in 0..20 {
        let digest = told(&mut one, &placed, &secret('a'));
        assert_eq!(digest.sealed.is_empty(), turn >= 4, "{turn}");
        assert_eq!(look(&mut other, &[&digest], &secret('a')), Vec::<String>::new());
        let heard = heard(&other);
        assert_eq!((heard.sequence(), heard.len()), (3, if turn < 10 { 3 } else { 0 }), "{turn}");
    }
    let one_more = told(&mut one, &placements(4, 4, 1_000), &secret('a'));
    // The one in between was missed.
    let last = told(&mut one, &placements(5, 4, 1_000), &secret('a'));
    look(&mut other, &[&last], &secret('a'));
    assert_eq!((heard(&other).sequence(), heard(&other).len()), (5, 2));
    look(&mut other, &[&one_more], &secret('a'));
    assert_eq!(heard(&other).sequence(), 5);
}

#[test]
fn without_the_secret_the_rest_of_a_digest_counts() {
    let digest = told(&mut PeerTable::new(1), &placements(3, 4, 1_000), &secret('a'));
    let mut other = PeerTable::new(2);
    let complaints = look(&mut other, &[&digest], &secret('b'));
    assert_eq!(complaints, ["slot 0: placements that are not sealed with this pool's secret"]);
    assert_eq!((heard(&other).sequence(), other.gateways()), (0, 2));
    let mut other = PeerTable::new(2);
    let slots = [Some(digest.encode("p"))];
    let none = PoolIdentity { name: "p", secret: None };
    assert_eq!(other.look(&slots, none, EXPIRE, START), Vec::<String>::new());
    assert_eq!((heard(&other).sequence(), other.gateways()), (0, 2));
}

#[test]
fn one_look_opens_so_many_bytes_and_keeps_so_many_placements() {
    let placed = placements(32, 48, u32::MAX);
    let digests: Vec<Digest> =
        (1..=8).map(|gateway| told(&mut PeerTable::new(gateway), &placed, &secret('a'))).collect();
    let mut reader = PeerTable::new(9);
    let complaints = look(&mut reader, &digests.iter().collect::<Vec<_>>(), &secret('a'));
    let opened = MAX_OPENED / digests[0].sealed.len();
    assert_eq!(complaints.len(), digests.len() - opened);
    assert!(complaints[0].ends_with("placements beyond the 16384 bytes of one look"), "{}", complaints[0]);
    assert_eq!((heard(&reader).sequence(), heard(&reader).len()), (32 * opened as u64, PEER_PLACEMENTS_MAX));
    // Where there are many others, each tells fewer.
    let digest = told(&mut reader, &placed, &secret('a'));
    assert_eq!(digest.open("p", &secret('a')).unwrap().len(), PEER_PLACEMENTS_MAX / digests.len());
}

#[test]
fn of_many_vms_some_are_read_for_each_digest_in_turn() {
    let mut peer_table = PeerTable::new(1);
    let members: Vec<FencingToken> = (0..20).map(vm).collect();
    let read = std::cell::RefCell::new(Vec::new());
    for _ in 0..5 {
        let mut digest = peer_table.digest(PodLoads::new(), None);
        let placements_of = |member: FencingToken| {
            read.borrow_mut().push(member.slot);
            Some(placements(1, 1, 1_000))
        };
        peer_table.add_placements(&mut digest, &members, placements_of, of_pool(&secret('a')), 1);
    }
    let counts = (0..20).map(|slot| read.borrow().iter().filter(|read| **read == slot).count());
    assert!(counts.into_iter().all(|count| count == 1), "{:?}", read.borrow());
    // The one placement of each counts once.
    let mut digest = peer_table.digest(PodLoads::new(), None);
    peer_table.add_placements(&mut digest, &members, |_| None, of_pool(&secret('a')), 1);
    assert_eq!(digest.open("p", &secret('a')).unwrap().sequence(), 20);
}

#[test]
fn a_secret_is_64_hexadecimal_digits_and_is_not_shown() {
    assert_eq!(PoolSecret::from_hex(&"aB".repeat(32)), PoolSecret::from_hex(&"Ab".repeat(32)));
    for bad in ["", "ab", &"a".repeat(63), &"a".repeat(65), &"g".repeat(64), &"+1".repeat(32), &"é".repeat(32)] {
        assert_eq!(PoolSecret::from_hex(bad), None, "{bad}");
    }
    assert_eq!(format!("{:?}", secret('a')), "PoolSecret");
    assert_ne!(secret('a').prompt_key(), secret('b').prompt_key());
}

proptest! {
    #[test]
    fn what_is_told_is_heard(
        prompts in 0..50_u64, messages in 1..60_u64, tokens in any::<u32>(), digit in "[0-9a-f]",
    ) {
        let placed = placements(prompts, messages, tokens);
        let secret = secret(digit.chars().next().unwrap());
        let digest = sealed(&placed, &secret);
        prop_assert!(digest.sealed.len() <= MAX_SEALED, "{} bytes", digest.sealed.len());
        let read = Digest::decode(&digest.encode("p"), "p").unwrap();
        prop_assert_eq!(read.open("p", &secret), Ok(placed));
    }

    #[test]
    fn anything_that_is_sealed_is_opened_or_refused(content: Vec<u8>, sealed: Vec<u8>) {
        use crate::shared::pool_secret::SealedBy;
        let by = SealedBy { gateway: 7, sequence: 3 };
        let digest = Digest { gateway: 7, sequence: 3, ..Digest::default() };
        let _ = Digest { sealed, ..digest.clone() }.open("p", &secret('a'));
        let sealed = secret('a').seal(&content, by, "p", 1);
        let _ = Digest { sealed, ..digest }.open("p", &secret('a'));
    }
}
