# One end of one exchange by Authen::SASL, driven line by line as cyrus-peer.c is:
#
#   perl perl-peer.pl client|server MECHANISM MIN_SSF MAX_SSF MAXBUF
#
# Its Triple DES wants a module that Debian does not have, so one is made here of two keys of Crypt::DES.
use strict;
use warnings;
use Authen::SASL qw(Perl);
use Authen::SASL::Perl::DIGEST_MD5;
use Crypt::DES;

package Crypt::DES3 {
  BEGIN { $INC{'Crypt/DES3.pm'} = __FILE__ }
  sub new { my ($class, $key) = @_; bless [ map { Crypt::DES->new(substr $key, $_, 8) } 0, 8 ], $class }
  sub encrypt { my ($self, $block) = @_; my ($a, $b) = @$self; $a->encrypt($b->decrypt($a->encrypt($block))) }
  sub decrypt { my ($self, $block) = @_; my ($a, $b) = @$self; $a->decrypt($b->encrypt($a->decrypt($block))) }
}

package main;

$| = 1;
binmode STDIN;
my ($role, $mechanism, $min, $max, $maxbuf) = @ARGV;
my $password = 'correct horse battery staple';
$Authen::SASL::Perl::DIGEST_MD5::NO_CRYPT_AVAILABLE = 0;

sub hex_of { length $_[0] ? unpack 'H*', $_[0] : '-' }
sub fail { print "error @_\n"; exit 1 }

my $sasl = Authen::SASL->new(
  mechanism => $mechanism,
  callback  => {
    user      => 'alice',
    pass      => $password,
    getsecret => sub { my ($self, $asked, $answer) = @_; $answer->($asked->{user} eq 'alice' ? $password : undef) },
  },
);
my $end = $role eq 'client' ? $sasl->client_new('imap', 'localhost') : $sasl->server_new('imap', 'localhost');
$end->property(minssf => $min, maxssf => $max, maxbuf => $maxbuf);

my $done = 0;
while (my $line = <STDIN>) {
  my ($word, $hex) = split ' ', $line;
  my $text = defined $hex && $hex ne '-' ? pack 'H*', $hex : '';
  if ($word eq 'encode') {
    my $buffer = $end->encode($text, length $text);
    print 'text ', hex_of(pack('N', length $buffer) . $buffer), "\n";
  } elsif ($word eq 'decode') {
    my $plain = '';
    while (length $text) {
      my $length = unpack 'N', substr $text, 0, 4, '';
      my $part = $end->decode(substr($text, 0, $length, ''), $length);
      fail('a buffer that does not verify') unless defined $part;
      $plain .= $part;
    }
    print 'text ', hex_of($plain), "\n";
  } else {
    my $reply = '';
    if ($role eq 'client') {
      $reply = $word eq 'start' ? $end->client_start : $end->client_step($text);
    } elsif ($word eq 'start') {
      $end->server_start('', sub { $reply = shift });
    } else {
      $end->server_step($text, sub { $reply = shift });
    }
    fail($end->error) if $end->error;
    $done = $end->is_success ? 1 : 0;
    # Its server takes the client's keys for its own: here each direction gets those RFC 2831 gives it.
    @$end{qw(kic kis khc khs ivc ivs)} = @$end{qw(kis kic khs khc ivs ivc)} if $done && $role eq 'server';
    print $done ? 'done ' . ($end->property('ssf') || 0) . ' ' : 'message ', hex_of($reply), "\n";
  }
}
