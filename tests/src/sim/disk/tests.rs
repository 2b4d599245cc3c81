use aspen_storage::LogDisk;
use madsim::runtime::Runtime;

use super::Platter;

fn simulated(seed: u64, test: impl FnOnce()) {
    Runtime::with_seed_and_config(seed, madsim::Config::default()).block_on(async { test() });
}

fn first_byte(disk: &impl LogDisk) -> u8 {
    let mut byte = [0];
    disk.read(0, &mut byte).unwrap();
    byte[0]
}

#[test]
fn a_power_failure_keeps_what_was_synced() {
    for seed in 0..20 {
        simulated(seed, || {
            let platter = Platter::new(1);
            let disk = platter.open();
            disk.set_len(4_096).unwrap();
            disk.write(0, &[7; 4_096]).unwrap();
            disk.sync().unwrap();
            platter.power_failed();
            assert!(disk.write(0, &[8]).is_err());
            assert_eq!(first_byte(&*platter.open()), 7);
        });
    }
}

#[test]
fn a_power_failure_loses_some_sectors_of_what_was_not_synced() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..50 {
        simulated(seed, || {
            let platter = Platter::new(1);
            let disk = platter.open();
            disk.set_len(4_096).unwrap();
            disk.sync().unwrap();
            disk.write(0, &[7; 4_096]).unwrap();
            platter.power_failed();
            match first_byte(&*platter.open()) {
                7 => kept += 1,
                _ => lost += 1,
            }
        });
    }
    assert!(lost > 0 && kept > 0, "{lost} lost, {kept} kept");
}

#[test]
fn a_killed_process_leaves_what_it_wrote() {
    simulated(1, || {
        let platter = Platter::new(1);
        let disk = platter.open();
        disk.set_len(512).unwrap();
        disk.write(0, &[7; 512]).unwrap();
        platter.fence();
        assert!(disk.write(0, &[8; 512]).is_err());
        platter.process_died();
        assert_eq!(first_byte(&*platter.open()), 7);
    });
}

#[test]
fn a_failed_sync_loses_its_writes_and_the_next_one_reports_success() {
    simulated(1, || {
        let platter = Platter::new(1);
        let disk = platter.open();
        disk.set_len(512).unwrap();
        disk.sync().unwrap();
        platter.set_faults(|faults| faults.sync_fails_after = Some(0));
        disk.write(0, &[7; 512]).unwrap();
        assert!(disk.sync().is_err());
        assert!(platter.has_fired());
        disk.sync().unwrap();
        assert_eq!(first_byte(&*disk), 7);
        platter.process_died();
        assert_eq!(first_byte(&*platter.open()), 0);
    });
}

#[test]
fn the_power_fails_in_the_midst_of_the_given_operation() {
    simulated(1, || {
        let platter = Platter::new(1);
        let disk = platter.open();
        platter.set_faults(|faults| faults.power_fails_after = Some(2));
        disk.set_len(512).unwrap();
        disk.sync().unwrap();
        assert!(disk.write(0, &[7; 512]).is_err());
        assert!(platter.has_fired());
        assert!(disk.sync().is_err());
        assert_eq!(platter.open().len_bytes().unwrap(), 512);
    });
}

#[test]
fn a_full_disk_takes_no_more_bytes() {
    simulated(1, || {
        let platter = Platter::new(1);
        let disk = platter.open();
        disk.set_len(512).unwrap();
        platter.set_faults(|faults| faults.free_bytes = Some(100));
        assert_eq!(disk.free_bytes(), Some(100));
        assert!(disk.set_len(1_024).is_err());
        disk.write(0, &[7; 512]).unwrap();
    });
}

#[test]
fn a_flipped_bit_is_read() {
    simulated(1, || {
        let platter = Platter::new(1);
        let disk = platter.open();
        disk.set_len(1).unwrap();
        disk.sync().unwrap();
        platter.flip_bit();
        assert_eq!(first_byte(&*platter.open()).count_ones(), 1);
    });
}
