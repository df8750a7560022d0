<?php
// WordPress's wp_mail() with PHPMailer: the hooks in the file that is named, then one email.
require '/usr/share/php/libphp-phpmailer/autoload.php';
$hooks = [];
function add_filter($name, $do) { global $hooks; $hooks[$name] = $do; }
function add_action($name, $do) { add_filter($name, $do); }
require $argv[1];
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->setFrom($hooks['wp_mail_from']('wordpress@localhost'), 'WordPress');
$mail->addAddress('ada@example.org');
$mail->Subject = 'WordPress';
$mail->Body = 'Hello';
$hooks['phpmailer_init']($mail);
$mail->send();
