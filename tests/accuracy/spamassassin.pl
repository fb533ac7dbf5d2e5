# SpamAssassin in one process: a line a command on standard input, an answer on standard output.
#   learn spam|ham PATH -> ok        check PATH -> score
use strict;
use warnings;
use Mail::SpamAssassin;

my ($bayes_folder) = @ARGV;
my $use_bayes = $bayes_folder ? 1 : 0;
my $bayes_path = $bayes_folder ? "bayes_path $bayes_folder/bayes\n" : "";
my $filter = Mail::SpamAssassin->new({
    local_tests_only => 1,
    dont_copy_prefs  => 1,
    userprefs_filename => "/dev/null",
    post_config_text => "use_bayes $use_bayes\nbayes_auto_learn 0\nbayes_auto_expire 0\n"
      . "skip_rbl_checks 1\ndns_available no\n$bayes_path",
});
$filter->init(1);
$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    my ($command, $rest) = split / /, $line, 2;
    my $class = "";
    ($class, $rest) = split / /, $rest, 2 if $command eq "learn";
    open(my $file, "<:raw", $rest) or die "$rest: $!";
    local $/ = undef;
    my $mail = $filter->parse(<$file>, $command eq "check");
    close $file;
    if ($command eq "learn") {
        my $status = $filter->learn($mail, undef, $class eq "spam" ? 1 : 0, 0);
        $status->finish;
        print "ok\n";
    } else {
        my $status = $filter->check($mail);
        printf "%.3f\n", $status->get_score;
        $status->finish;
    }
    $mail->finish;
    $/ = "\n";
}
