# Clients of the store on m3, as the program of a workload: they add numbers once in 50 ms, and read them all in the end.
use strict;
use warnings;
use IO::Handle;
use IO::Socket::INET;
use Time::HiRes qw(sleep clock_gettime CLOCK_MONOTONIC);

open(my $history, '>>', $ENV{NETWRIGHT_HISTORY}) or die;
$history->autoflush(1);
my ($number, $client, $over) = (0, 0, 0);
$SIG{TERM} = sub { $over = 1 };

sub note {
    my ($type, $f, $value) = @_;
    printf $history qq({"type":"%s","process":%d,"f":"%s","value":%s,"time":%d}\n),
        $type, $client, $f, $value, clock_gettime(CLOCK_MONOTONIC) * 1e9;
}

# What is answered; nothing where it was never asked, and an empty text where nobody knows.
sub ask {
    my $socket = IO::Socket::INET->new(PeerAddr => '10.0.0.13:80', Timeout => 1) or return;
    print $socket "$_[0]\n";
    local $SIG{ALRM} = sub { die };
    my $answer = eval { alarm 2; <$socket> };
    alarm 0;
    return $answer // '';
}

until ($over) {
    $number++;
    note('invoke', 'add', $number);
    my $answer = ask("add $number");
    if (!defined $answer) {
        note('fail', 'add', $number);
    } elsif ($answer eq "ok\n") {
        note('ok', 'add', $number);
    } else {
        note('info', 'add', $number);
        $client++;
    }
    sleep 0.05;
}
note('invoke', 'read', 'null');
for (1 .. 50) {
    if (my $answer = ask('read')) {
        chomp $answer;
        note('ok', 'read', "[$answer]");
        last;
    }
    sleep 0.1;
}
