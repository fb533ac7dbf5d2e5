#!/usr/bin/perl
# Judge many mails with the real SpamAssassin in one process: file names on standard input, one line of JSON each out.
#
#   perl spamassassin_reference.pl HOME < list
#
# As `spamassassin -L`: no network. No preferences, no Bayes, no memory of senders; HOME is a scratch folder.
use strict;
use warnings;
use JSON::PP;
use Mail::SpamAssassin;

my ($home) = @ARGV;
my $judge = Mail::SpamAssassin->new({
    local_tests_only     => 1,
    dont_copy_prefs      => 1,
    userprefs_filename   => '/dev/null',
    userstate_dir        => $home,
    home_dir_for_helpers => $home,
    post_config_text     => "use_bayes 0\nuse_learner 0\nuse_auto_welcomelist 0\n",
});
$judge->init(1);
my $json = JSON::PP->new->canonical->ascii;
$| = 1;
while (my $file = <STDIN>) {
    chomp $file;
    open my $handle, '<', $file or die "cannot read $file: $!";
    my $octets = do { local $/; <$handle> };
    close $handle;
    my $begin  = (times)[0] + (times)[1];
    my $mail   = $judge->parse($octets, 0);
    my $status = $judge->check($mail);
    my $end    = (times)[0] + (times)[1];
    print $json->encode({
        file    => $file,
        score   => 0 + $status->get_score,
        tests   => [ split /,/, $status->get_names_of_tests_hit ],
        seconds => $end - $begin,
    }), "\n";
    $status->finish;
    $mail->finish;
}
