//! Times the key switch + programmable bootstrap of TFHE-rs, for `make bench-peers`.
//!
//! `peer-tfhe-rs [-norm2 1|16] [-seconds S] [-rounds R] [-serve] BITS...`
//!
//! For each width it generates keys of a published parameter set, checks lookups against their
//! plain table, and prints one line about the set. Then, R times (with `-serve`: once for each line
//! read from standard input), it measures for S seconds each and prints
//!
//! `rs bits=4 latency_ms=17.5 rate2=97.0 rate2_batched=99.0`
//!
//! * latency_ms: median time of one lookup on one thread, shortint's `apply_lookup_table_assign`;
//! * rate2: lookups per second of two threads, each with its own chain of such lookups;
//! * rate2_batched: the same with core_crypto's `batch_programmable_bootstrap_…_mem_optimized`,
//!   which walks the bootstrapping key once for 8 ciphertexts of each thread.
//!
//! Every measured lookup takes the result of the one before it through a permutation, so the last
//! decryption checks them all; a wrong one ends the program with status 1.

use std::io::{BufRead, Write};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use tfhe::core_crypto::prelude::*;
use tfhe::shortint::atomic_pattern::AtomicPatternServerKey;
use tfhe::shortint::parameters::v1_4::*;
use tfhe::shortint::parameters::ClassicPBSParameters;
use tfhe::shortint::server_key::{LookupTableOwned, ShortintBootstrappingKey};
use tfhe::shortint::{gen_keys, Ciphertext, ClientKey, ServerKey};

const THREADS: u64 = 2;
/// Ciphertexts of one thread that share one walk over the bootstrapping key.
const BATCH: usize = 8;
/// Checking every entry of a wide table takes minutes: it stops after this, but not before 8 entries.
const CHECK_TIME: Duration = Duration::from_secs(10);

/// The parameter set of a width: with its name, published failure <= 2^-128, and message and carry
/// bits that add up to the width (or more: see README.md), the cheapest one whose 2-norm is at
/// least 1 (norm2 = 1) or 4 (norm2 = 16).
fn published_set(bits: u32, norm2: u32) -> Option<(&'static str, ClassicPBSParameters)> {
    macro_rules! set {
        ($name:ident) => {
            Some((stringify!($name), $name))
        };
    }
    match (norm2, bits) {
        (1, 1) => set!(V1_4_PARAM_MESSAGE_1_CARRY_0_KS_PBS_GAUSSIAN_2M128),
        (1, 2) => set!(V1_4_PARAM_MESSAGE_2_CARRY_0_KS_PBS_GAUSSIAN_2M128),
        (1, 3) => set!(V1_4_PARAM_MESSAGE_3_CARRY_0_KS_PBS_GAUSSIAN_2M128),
        (1, 4) => set!(V1_4_PARAM_MESSAGE_4_CARRY_0_KS_PBS_GAUSSIAN_2M128),
        (1, 5) => set!(V1_4_PARAM_MESSAGE_5_CARRY_0_KS_PBS_GAUSSIAN_2M128),
        (1, 6) => set!(V1_4_PARAM_MESSAGE_6_CARRY_0_KS_PBS_GAUSSIAN_2M128),
        (1, 7) => set!(V1_4_PARAM_MESSAGE_7_CARRY_0_KS_PBS_GAUSSIAN_2M128),
        (1, 8) => set!(V1_4_PARAM_MESSAGE_8_CARRY_0_KS_PBS_GAUSSIAN_2M128),
        (16, 1..=3) => set!(V1_4_PARAM_MESSAGE_1_CARRY_2_KS_PBS_GAUSSIAN_2M128),
        (16, 4) => set!(V1_4_PARAM_MESSAGE_2_CARRY_2_KS_PBS_GAUSSIAN_2M128),
        (16, 5) => set!(V1_4_PARAM_MESSAGE_3_CARRY_2_KS_PBS_GAUSSIAN_2M128),
        (16, 6) => set!(V1_4_PARAM_MESSAGE_4_CARRY_2_KS_PBS_GAUSSIAN_2M128),
        (16, 7) => set!(V1_4_PARAM_MESSAGE_5_CARRY_2_KS_PBS_GAUSSIAN_2M128),
        (16, 8) => set!(V1_4_PARAM_MESSAGE_6_CARRY_2_KS_PBS_GAUSSIAN_2M128),
        _ => None,
    }
}

/// A client, a server, and a table that permutes the whole plaintext space.
struct Peer {
    bits: u32,
    space: u64,
    client: ClientKey,
    server: ServerKey,
    table: LookupTableOwned,
}

/// The permutation x -> 5x+3 of a power of two many values.
fn permute(x: u64, space: u64) -> u64 {
    (5 * x + 3) % space
}

fn permute_times(x: u64, space: u64, times: u64) -> u64 {
    (0..times).fold(x, |x, _| permute(x, space))
}

impl Peer {
    fn new(bits: u32, params: ClassicPBSParameters) -> Peer {
        let space = params.message_modulus.0 * params.carry_modulus.0;
        let (client, server) = gen_keys(params);
        let table = server.generate_lookup_table(|x| permute(x, space));
        Peer { bits, space, client, server, table }
    }

    fn encrypt(&self, x: u64) -> Ciphertext {
        // Not encrypt(): that one reduces x to the message bits, and leaves the carry bits zero.
        self.client.unchecked_encrypt(x)
    }

    fn check(&self, ct: &Ciphertext, want: u64, what: &str) {
        let got = self.client.decrypt_message_and_carry(ct);
        if got != want {
            eprintln!("peer-tfhe-rs: {} bits, {what}: decrypts to {got}, want {want}", self.bits);
            std::process::exit(1);
        }
    }

    /// Looks up the entries of the table, all of them or as many as CHECK_TIME allows.
    fn check_entries(&self) -> u64 {
        let start = Instant::now();
        for i in 0..self.space {
            if i >= 8 && start.elapsed() > CHECK_TIME {
                return i;
            }
            let x = (i * 37 + self.space - 1) % self.space; // the last entry first, all of them once
            let ct = self.server.apply_lookup_table(&self.encrypt(x), &self.table);
            self.check(&ct, permute(x, self.space), "lookup");
        }
        self.space
    }

    /// Median milliseconds of one lookup, on this thread.
    fn latency(&self, time: Duration) -> f64 {
        let mut ct = self.encrypt(1 % self.space);
        self.server.apply_lookup_table_assign(&mut ct, &self.table);
        let mut samples = Vec::new();
        let start = Instant::now();
        while start.elapsed() < time || samples.len() < 3 {
            let one = Instant::now();
            self.server.apply_lookup_table_assign(&mut ct, &self.table);
            samples.push(one.elapsed().as_secs_f64() * 1e3);
        }
        self.check(&ct, permute_times(1 % self.space, self.space, 1 + samples.len() as u64), "chain");
        median(&mut samples)
    }

    /// Lookups per second of THREADS threads together; worker() makes a thread's closure that does
    /// `.1` lookups a call, and its check of the result after that many calls.
    fn rate<'a>(&'a self, time: Duration, worker: impl Fn(u64) -> (Box<dyn FnMut() + 'a>, u64) + Sync) -> f64 {
        let barrier = Barrier::new(THREADS as usize);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|t| {
                    let (worker, barrier) = (&worker, &barrier);
                    scope.spawn(move || {
                        let (mut step, lookups) = worker(t);
                        step(); // allocates this thread's buffers
                        barrier.wait();
                        let (start, mut done) = (Instant::now(), 0);
                        while start.elapsed() < time || done == 0 {
                            step();
                            done += lookups;
                        }
                        done as f64 / start.elapsed().as_secs_f64()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        })
    }

    fn rate_single(&self, time: Duration) -> f64 {
        self.rate(time, |thread| {
            let mut chain = Chain { peer: self, ct: self.encrypt(thread % self.space), start: thread % self.space, steps: 0 };
            (Box::new(move || chain.step()), 1)
        })
    }

    fn rate_batched(&self, time: Duration) -> f64 {
        self.rate(time, |thread| {
            let mut chains = BatchedChains::new(self, thread);
            (Box::new(move || chains.step()), BATCH as u64)
        })
    }

    fn measure(&self, time: Duration) {
        let latency = self.latency(time);
        let rate = self.rate_single(time);
        let batched = self.rate_batched(time);
        println!("rs bits={} latency_ms={latency:.3} rate2={rate:.3} rate2_batched={batched:.3}", self.bits);
        std::io::stdout().flush().unwrap();
    }
}

/// A chain of lookups, checked when it is dropped.
struct Chain<'a> {
    peer: &'a Peer,
    ct: Ciphertext,
    start: u64,
    steps: u64,
}

impl Chain<'_> {
    fn step(&mut self) {
        self.peer.server.apply_lookup_table_assign(&mut self.ct, &self.peer.table);
        self.steps += 1;
    }
}

impl Drop for Chain<'_> {
    fn drop(&mut self) {
        self.peer.check(&self.ct, permute_times(self.start, self.peer.space, self.steps), "chain of a thread");
    }
}

/// BATCH chains of lookups that take every step together, checked when they are dropped.
struct BatchedChains<'a> {
    peer: &'a Peer,
    start: u64,
    steps: u64,
    large: LweCiphertextListOwned<u64>,
    small: LweCiphertextListOwned<u64>,
    switched: LweCiphertextOwned<u64>,
    accumulators: GlweCiphertextListOwned<u64>,
    fft: Fft,
    buffers: ComputationBuffers,
}

impl<'a> BatchedChains<'a> {
    fn keys(peer: &'a Peer) -> (&'a LweKeyswitchKeyOwned<u64>, &'a FourierLweBootstrapKeyOwned) {
        match &peer.server.atomic_pattern {
            AtomicPatternServerKey::Standard(standard) => match &standard.bootstrapping_key {
                ShortintBootstrappingKey::Classic { bsk, .. } => (&standard.key_switching_key, bsk),
                ShortintBootstrappingKey::MultiBit { .. } => unreachable!("all sets are classic"),
            },
            _ => unreachable!("all sets are classic"),
        }
    }

    fn new(peer: &'a Peer, thread: u64) -> BatchedChains<'a> {
        let (_, bsk) = Self::keys(peer);
        let modulus = peer.table.acc.ciphertext_modulus();
        let count = LweCiphertextCount(BATCH);
        let start = thread * BATCH as u64;
        let mut large = LweCiphertextList::new(0u64, bsk.output_lwe_dimension().to_lwe_size(), count, modulus);
        for (i, mut ct) in large.iter_mut().enumerate() {
            let fresh = peer.encrypt((start + i as u64) % peer.space);
            ct.as_mut().copy_from_slice(fresh.ct.as_ref());
        }
        let accumulators = GlweCiphertextList::from_container(
            peer.table.acc.as_ref().repeat(BATCH),
            bsk.glwe_size(),
            bsk.polynomial_size(),
            modulus,
        );
        let fft = Fft::new(bsk.polynomial_size());
        let mut buffers = ComputationBuffers::new();
        buffers.resize(
            batch_programmable_bootstrap_lwe_ciphertext_mem_optimized_requirement::<u64>(
                bsk.glwe_size(),
                bsk.polynomial_size(),
                CiphertextCount(BATCH),
                fft.as_view(),
            )
            .unaligned_bytes_required(),
        );
        BatchedChains {
            peer,
            start,
            steps: 0,
            large,
            small: LweCiphertextList::new(0u64, bsk.input_lwe_dimension().to_lwe_size(), count, modulus),
            switched: LweCiphertext::new(0u64, bsk.input_lwe_dimension().to_lwe_size(), modulus),
            accumulators,
            fft,
            buffers,
        }
    }

    fn step(&mut self) {
        let (ksk, bsk) = Self::keys(self.peer);
        let log_modulus = bsk.polynomial_size().to_blind_rotation_input_modulus_log();
        let shift = 64 - log_modulus.0;
        for (large, mut small) in self.large.iter().zip(self.small.iter_mut()) {
            keyswitch_lwe_ciphertext(ksk, &large, &mut self.switched);
            // The batched bootstrap switches the modulus without the noise reduction that the sets
            // count on. So it gets values that were switched with it, which it leaves as they are.
            let reduced = lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(self.switched.as_view(), log_modulus);
            let words = small.as_mut();
            let (body, mask) = words.split_last_mut().unwrap();
            for (word, element) in mask.iter_mut().zip(reduced.mask()) {
                *word = (element as u64) << shift;
            }
            *body = (reduced.body() as u64) << shift;
        }
        batch_programmable_bootstrap_lwe_ciphertext_mem_optimized(
            &self.small,
            &mut self.large,
            &self.accumulators,
            bsk,
            self.fft.as_view(),
            self.buffers.stack(),
        );
        self.steps += 1;
    }
}

impl Drop for BatchedChains<'_> {
    fn drop(&mut self) {
        let mut ct = self.peer.encrypt(0);
        for (i, large) in self.large.iter().enumerate() {
            ct.ct.as_mut().copy_from_slice(large.as_ref());
            let start = (self.start + i as u64) % self.peer.space;
            self.peer.check(&ct, permute_times(start, self.peer.space, self.steps), "batched chain");
        }
    }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let half = samples.len() / 2;
    if samples.len() % 2 == 1 { samples[half] } else { (samples[half - 1] + samples[half]) / 2.0 }
}

fn usage() -> ! {
    eprintln!("usage: peer-tfhe-rs [-norm2 1|16] [-seconds S] [-rounds R] [-serve] BITS...   (BITS 1 to 8)");
    std::process::exit(2);
}

fn main() {
    let (mut norm2, mut seconds, mut rounds, mut serve, mut widths) = (1u32, 2.0f64, 3u32, false, Vec::new());
    let mut args = std::env::args().skip(1);
    fn value<T: std::str::FromStr>(text: Option<String>) -> T {
        text.and_then(|t| t.parse().ok()).unwrap_or_else(|| usage())
    }
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-norm2" => norm2 = value(args.next()),
            "-seconds" => seconds = value(args.next()),
            "-rounds" => rounds = value(args.next()),
            "-serve" => serve = true,
            _ => widths.push(value::<u32>(Some(arg))),
        }
    }
    if widths.is_empty() || !(seconds > 0.0 && seconds < 3600.0) || widths.iter().any(|&b| published_set(b, norm2).is_none()) {
        usage();
    }
    let time = Duration::from_secs_f64(seconds);
    for bits in widths {
        let (name, params) = published_set(bits, norm2).unwrap();
        let start = Instant::now();
        let peer = Peer::new(bits, params);
        let keygen = start.elapsed().as_secs_f64();
        let checked = peer.check_entries();
        let (n, k, degree) = (params.lwe_dimension.0, params.glwe_dimension.0, params.polynomial_size.0);
        let key_bytes = n * (k + 1) * (k + 1) * params.pbs_level.0 * degree * 8 + k * degree * params.ks_level.0 * (n + 1) * 8;
        println!(
            "rs bits={bits} set={name} two_norm={} log2_p_fail={} n={n} k={k} N={degree} key_bytes={key_bytes} keygen_s={keygen:.1} checked={checked}/{}",
            params.max_noise_level.get(),
            params.log2_p_fail,
            peer.space
        );
        std::io::stdout().flush().unwrap();
        if serve {
            for line in std::io::stdin().lock().lines() {
                if line.is_err() {
                    break;
                }
                peer.measure(time);
            }
        } else {
            (0..rounds).for_each(|_| peer.measure(time));
        }
    }
}
