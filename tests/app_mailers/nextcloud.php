<?php
// Nextcloud's mailer, which is Symfony's: the lines of config.php in the file, then one email.
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';
use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport\Smtp\EsmtpTransport;
use Symfony\Component\Mime\Email;

$config = eval('return [' . file_get_contents($argv[1]) . '];');
$secure = $config['mail_smtpsecure'] === 'ssl';
$transport = new EsmtpTransport($config['mail_smtphost'], $config['mail_smtpport'], $secure);
if ($config['mail_smtpauth']) {
    $transport->setUsername($config['mail_smtpname']);
    $transport->setPassword($config['mail_smtppassword']);
}
$from = $config['mail_from_address'] . '@' . $config['mail_domain'];
$email = (new Email())->from($from)->to('ada@example.org')->subject('Nextcloud')->text('Hello');
(new Mailer($transport))->send($email);
